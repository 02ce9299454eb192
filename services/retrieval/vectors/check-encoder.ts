import { TerminalError } from '#platform/errors.ts';
import type { Encoder } from '../models/encoder.ts';
import type { SentenceSettings } from '../models/sentence-settings.ts';
import type { VectorsManifest } from './vectors-manifest.ts';

export type EncoderIdentity = Pick<Encoder, 'id' | 'sha256' | 'dimensions' | 'settings'>;

/** What of an encoder makes its vectors what they are. */
export function encoderFacts({ id, sha256, dimensions, settings }: EncoderIdentity) {
  const { queryPrefix, passagePrefix, pooling, normalise, maxTokens, lowerCase } = settings;
  return {
    model: id,
    weightsSha256: sha256,
    dimensions,
    queryPrefix,
    passagePrefix,
    pooling,
    normalise,
    maxTokens,
    lowerCase,
  };
}

/** How an encoder must be opened to make vectors as those of the index. */
export function encoderSettingsOf(vectors: VectorsManifest): SentenceSettings {
  const { queryPrefix, passagePrefix, pooling, normalise, maxTokens, lowerCase } = vectors;
  return { queryPrefix, passagePrefix, pooling, normalise, maxTokens, lowerCase };
}

/**
 * Throws `failed_precondition` unless the encoder makes vectors as those of the index were made; else a query would be
 * compared with vectors of another space. The name may differ: the same weights can lie in two places.
 */
export function checkEncoder(vectors: VectorsManifest, encoder: EncoderIdentity): void {
  const { model, ...facts } = encoderFacts(encoder);
  const different = Object.entries(facts).flatMap(([name, value]) => {
    const inIndex = vectors[name as keyof typeof facts];
    return inIndex === value ? [] : [`${name} ${JSON.stringify(inIndex)} there, ${JSON.stringify(value)} here`];
  });
  if (different.length === 0) return;
  throw new TerminalError(
    'failed_precondition',
    `encoder: the vectors of the index were made by ${vectors.model}, the encoder is ${model} (${different.join('; ')}); ` +
      `give the encoder that made them, or build the index anew with --encoder ${model}`,
  );
}
