import { TerminalError } from '#platform/errors.ts';
import type { RetrievalConfig } from './config.ts';
import type { IndexManifest } from './index/manifest.ts';
import type { Models } from './open-models.ts';
import type { SearchAbilities } from './serving/decide-search.ts';

export interface Abilities extends SearchAbilities {
  /** A sentence for each part that the config asks for and that is not there. */
  readonly missing: readonly string[];
}

type Wishes = 'defaultMode' | 'defaultRerank' | 'encoder' | 'reranker' | 'rerankFrom' | 'rerankTo' | 'requireModels';

/**
 * What can be done with this index and these models. Searching by meaning is the default where it can be done, and words
 * where it cannot, whatever the config wishes; with `requireModels` what is missing throws `failed_precondition`.
 */
export function decideAbilities(
  config: Pick<RetrievalConfig, Wishes>,
  models: Pick<Models, 'encoder' | 'encoderMissing' | 'crossEncoder' | 'crossEncoderMissing'>,
  vectors: IndexManifest['vectors'],
): Abilities {
  const denseMissing = whyNotDense(models, vectors);
  const rerankMissing =
    models.crossEncoder === undefined
      ? (models.crossEncoderMissing ?? 'no cross-encoder is set up (--reranker MODEL)')
      : undefined;
  const missing = [
    config.encoder === undefined ? undefined : denseMissing,
    config.reranker === undefined ? undefined : rerankMissing,
  ].filter((reason) => reason !== undefined);
  if (config.requireModels && missing.length > 0) throw new TerminalError('failed_precondition', missing.join('; '));
  return {
    defaultMode: denseMissing === undefined ? (config.defaultMode ?? 'hybrid') : 'lexical',
    defaultRerank: rerankMissing === undefined && (config.defaultRerank ?? true),
    denseMissing,
    rerankMissing,
    rerankFrom: config.rerankFrom,
    rerankTo: config.rerankTo,
    missing,
  };
}

function whyNotDense(
  { encoder, encoderMissing }: Pick<Models, 'encoder' | 'encoderMissing'>,
  vectors: IndexManifest['vectors'],
): string | undefined {
  if (encoder !== undefined && vectors !== undefined) return undefined;
  if (encoder !== undefined) {
    return `the index has no vectors; build it with: gradus index build --encoder ${encoder.id}`;
  }
  if (encoderMissing !== undefined) return encoderMissing;
  return vectors === undefined
    ? 'no encoder is set up (--encoder MODEL)'
    : `no encoder is set up; the vectors of the index are of ${vectors.model} (--encoder ${vectors.model})`;
}
