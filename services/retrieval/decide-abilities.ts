import type { RetrievalConfig } from './config.ts';
import type { IndexManifest } from './index/manifest.ts';
import type { Models } from './open-models.ts';
import type { SearchAbilities } from './serving/decide-search.ts';

export interface Abilities extends SearchAbilities {
  /** A sentence for each part that the config asks for and that is not there. */
  readonly missing: readonly string[];
}

/**
 * What can be done with this index and these models. Searching by meaning is the default where it can be done, and words
 * where it cannot, whatever the config wishes.
 */
export function decideAbilities(
  config: Pick<RetrievalConfig, 'defaultMode' | 'defaultRerank' | 'encoder' | 'reranker' | 'rerankFrom' | 'rerankTo'>,
  models: Pick<Models, 'encoder' | 'encoderMissing' | 'crossEncoder' | 'crossEncoderMissing'>,
  vectors: IndexManifest['vectors'],
): Abilities {
  const denseMissing = whyNotDense(models, vectors);
  const rerankMissing =
    models.crossEncoder === undefined
      ? (models.crossEncoderMissing ?? 'no cross-encoder is set up (--reranker MODEL)')
      : undefined;
  const wishes = [
    config.encoder === undefined ? undefined : denseMissing,
    config.reranker === undefined ? undefined : rerankMissing,
  ];
  return {
    defaultMode: denseMissing === undefined ? (config.defaultMode ?? 'hybrid') : 'lexical',
    defaultRerank: rerankMissing === undefined && (config.defaultRerank ?? true),
    denseMissing,
    rerankMissing,
    rerankFrom: config.rerankFrom,
    rerankTo: config.rerankTo,
    missing: wishes.filter((reason) => reason !== undefined),
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
