import { TerminalError } from '#platform/errors.ts';
import { findModel } from './find-model.ts';
import { startInferencePool } from './inference-pool.ts';
import { readModelConfig } from './model-config.ts';
import { inferenceLimits, type ModelOptions } from './model-options.ts';
import { runInParts } from './run-in-parts.ts';
import { readSentenceSettings, type SentenceSettings } from './sentence-settings.ts';
import { hashWeights } from './weights-hash.ts';

export type TextKind = 'query' | 'passage';

/** Turns texts into vectors whose inner product says how near they are in meaning. */
export interface Encoder {
  readonly id: string;
  /** Of the weights, lower-case hex. */
  readonly sha256: string;
  readonly dimensions: number;
  readonly settings: SentenceSettings;
  /** Texts x dimensions, in the order of the texts. The signal ends the wait, and the work before its next batch. */
  encode(texts: readonly string[], kind: TextKind, signal?: AbortSignal): Promise<Float32Array>;
  dispose(): Promise<void>;
}

export type EncoderOptions = ModelOptions & {
  readonly settings?: { readonly [K in keyof SentenceSettings]?: SentenceSettings[K] | undefined } | undefined;
};

/** Finds the model, starts its threads and tries it on a word. */
export async function openEncoder(reference: string, options: EncoderOptions): Promise<Encoder> {
  const files = await findModel(reference, options);
  const config = await readModelConfig(files);
  const settings = await readSentenceSettings(files, options.settings ?? {});
  const maxTokens = Math.min(settings.maxTokens, config.maxTokens);
  if (options.settings?.maxTokens !== undefined && options.settings.maxTokens > config.maxTokens) {
    throw new TerminalError(
      'invalid_argument',
      `maxTokens: ${options.settings.maxTokens}, but model ${files.id} reads ${config.maxTokens} at most`,
    );
  }
  const sha256 = await hashWeights(files, options.signal);
  const { workers, maxPendingTexts, ...limits } = inferenceLimits(options);
  const pool = await startInferencePool(
    {
      ...limits,
      modelId: files.id,
      weightsPath: files.weightsPath,
      tokenizerPath: files.tokenizerPath,
      maxTokens,
      paddingId: config.paddingId,
      lowerCase: settings.lowerCase,
      output: { kind: 'vector', pooling: settings.pooling, normalise: settings.normalise },
      outputName: options.outputName,
    },
    { workers, maxPendingTexts },
  );
  return {
    id: files.id,
    sha256,
    dimensions: pool.width,
    settings: { ...settings, maxTokens },
    encode: async (texts, kind, signal) => {
      const prefix = kind === 'query' ? settings.queryPrefix : settings.passagePrefix;
      return await runInParts(pool, undefined, texts, prefix, signal);
    },
    dispose: pool.dispose,
  };
}
