import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import type { HubSettings } from '../models/hub-settings.ts';
import { fuseRanks } from '../search/fuse-ranks.ts';
import { checkEncoder, encoderSettingsOf } from '../vectors/check-encoder.ts';
import type { Nearest } from '../vectors/nearest.ts';
import { createIndexReader } from './index-reader.ts';
import { closeIndex, openIndex, type IndexData } from './open-index.ts';

export const searchTaskSchema = z.strictObject({
  task: z.literal('search'),
  directory: z.string().min(1),
  query: z.string(),
  k: z.number().int().min(1).max(1_000),
  k1: z.number().min(0).max(100).optional(),
  b: z.number().min(0).max(1).optional(),
  mode: z.enum(['lexical', 'dense', 'hybrid']).default('lexical'),
  /** The model that made the vectors, where it lies elsewhere now. */
  encoder: z.string().min(1).optional(),
});
export type SearchTask = z.infer<typeof searchTaskSchema>;

/** Words and vectors each give this many candidates at least. */
const fusedCandidates = 100;

/** Answers one query from an index. */
export async function runSearchTask(task: SearchTask, hub: HubSettings, signal: AbortSignal): Promise<object> {
  const { directory, query, k, k1, b, mode } = task;
  const data = await openIndex(directory, { k1, b, signal });
  try {
    const reader = createIndexReader(data);
    const depth = mode === 'hybrid' ? Math.max(k, fusedCandidates) : k;
    const nearest = mode === 'lexical' ? undefined : await findNearest(data, task, depth, hub, signal);
    const started = performance.now();
    const words = mode === 'dense' ? undefined : reader.search(query, depth);
    const milliseconds = performance.now() - started + (nearest?.milliseconds ?? 0);
    const found = [words, nearest?.found].filter((ranking) => ranking !== undefined);
    const [only = { passages: new Uint32Array(0), scores: new Float64Array(0) }] = found;
    const ranking =
      found.length === 1
        ? only
        : fuseRanks(
            found.map(({ passages }) => passages),
            k,
          );
    const hits = Array.from(ranking.passages, (passage, rank) => ({
      rank: rank + 1,
      score: ranking.scores[rank] ?? 0,
      ...reader.card(passage),
    }));
    return { query, mode, k1: data.k1, b: data.b, indexVersion: data.indexVersion, milliseconds, hits };
  } finally {
    closeIndex(data);
  }
}

async function findNearest(
  { directory, manifest }: IndexData,
  task: SearchTask,
  k: number,
  hub: HubSettings,
  signal: AbortSignal,
): Promise<{ readonly found: Nearest | undefined; readonly milliseconds: number }> {
  const { vectors } = manifest;
  if (vectors === undefined) {
    throw new TerminalError(
      'failed_precondition',
      `mode: ${task.mode}, but the index ${directory} has no vectors; add them with: gradus index vectors ${directory} --encoder MODEL`,
    );
  }
  // Native libraries that a search by words does not need.
  const { openEncoder } = await import('../models/encoder.ts');
  const { openVectors, startVectorSearch } = await import('../vectors/open-vectors.ts');
  const encoder = await openEncoder(task.encoder ?? vectors.model, {
    hub,
    settings: encoderSettingsOf(vectors),
    signal,
  });
  try {
    checkEncoder(vectors, encoder);
    const search = await startVectorSearch(await openVectors(directory, vectors, { signal }));
    const started = performance.now();
    const [found] = await search.search(await encoder.encode([task.query], 'query', signal), k);
    const milliseconds = performance.now() - started;
    await search.dispose();
    return { found, milliseconds };
  } finally {
    await encoder.dispose();
  }
}
