import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { buildIndex } from '../../../services/retrieval/index/build-index.ts';
import { openEncoder } from '../../../services/retrieval/models/encoder.ts';
import { hubSettingsFrom } from '../../../services/retrieval/models/hub-settings.ts';
import { buildVectors } from '../../../services/retrieval/vectors/build-vectors.ts';
import type { BenchCorpus } from '../corpora.ts';
import type { RandomModels } from './random-models.ts';
import { withRandomVectors } from './random-vectors.ts';

/** An index with exact vectors and one with a graph, both of the same random vectors. */
export async function buildDenseIndexes(
  corpus: BenchCorpus,
  models: RandomModels,
  directory: string,
): Promise<{ readonly exact: string; readonly hnsw: string; readonly exactMs: number; readonly hnswMs: number }> {
  const exact = join(directory, 'exact');
  const hnsw = join(directory, 'hnsw');
  await buildIndex({ corpusPath: corpus.path, directory: exact, settings: {} });
  await cp(exact, hnsw, { recursive: true });
  const encoder = await openEncoder(models.encoder, { hub: hubSettingsFrom({}) });
  try {
    const build = async (path: string, kind: 'exact' | 'hnsw'): Promise<number> => {
      const startedMs = performance.now();
      await buildVectors(path, withRandomVectors(encoder), { kind });
      return Math.round(performance.now() - startedMs);
    };
    return { exact, hnsw, exactMs: await build(exact, 'exact'), hnswMs: await build(hnsw, 'hnsw') };
  } finally {
    await encoder.dispose();
  }
}
