import { fuseRanks } from '../search/fuse-ranks.ts';
import type { ExecutorStage, SearchTask } from '../serving/executor.ts';
import { hybridDepth } from '../serving/run-batch.ts';
import type { LancedbCall, LancedbHit, LancedbIndex } from './lancedb-index.ts';

export interface RankedHits {
  /** Best first. */
  readonly hits: readonly LancedbHit[];
  /** In seconds. */
  readonly times: Partial<Record<ExecutorStage, number>>;
}

/** The best hits by words, by vectors, or by the ranks in both. */
export async function rankHits(index: LancedbIndex, task: SearchTask, timeoutMs: number): Promise<RankedHits> {
  const { query, mode, topK, withText } = task;
  switch (mode) {
    case 'lexical': {
      const words = await timed(index.searchWords(query, { topK, withText, timeoutMs }));
      return { hits: words.value, times: { lexical: words.seconds } };
    }
    case 'dense': {
      const near = await timed(nearest(index, task, { topK, withText, timeoutMs }));
      return { hits: near.value, times: { dense: near.seconds } };
    }
    case 'hybrid': {
      // Texts are read only of those that are left.
      const call = { topK: Math.max(hybridDepth, topK), withText: false, timeoutMs };
      const [words, near] = await Promise.all([
        timed(index.searchWords(query, call)),
        timed(nearest(index, task, call)),
      ]);
      const fused = fuse(words.value, near.value, topK);
      const content = await timed(withText ? readTexts(index, fused, timeoutMs) : Promise.resolve(fused));
      const times = { lexical: words.seconds, dense: near.seconds, content: content.seconds };
      return { hits: content.value, times };
    }
  }
}

async function nearest(index: LancedbIndex, { vector }: SearchTask, call: LancedbCall): Promise<readonly LancedbHit[]> {
  if (vector === undefined) throw new TypeError('a search by vectors came without one');
  return await index.searchVector(vector, { ...call, exact: index.manifest.vectorSearch === 'exact' });
}

function fuse(words: readonly LancedbHit[], near: readonly LancedbHit[], topK: number): readonly LancedbHit[] {
  const byPosition = new Map([...words, ...near].map((hit) => [hit.position, hit]));
  const lists = [words, near].map((hits) => Uint32Array.from(hits, ({ position }) => position));
  const { passages, scores } = fuseRanks(lists, topK);
  return Array.from(passages).flatMap((position, rank) => {
    const hit = byPosition.get(position);
    return hit === undefined ? [] : [{ ...hit, score: scores[rank] ?? 0 }];
  });
}

async function readTexts(
  index: LancedbIndex,
  hits: readonly LancedbHit[],
  timeoutMs: number,
): Promise<readonly LancedbHit[]> {
  const ids = hits.map(({ id }) => id);
  const documents = await index.fetch(ids, timeoutMs);
  return hits.map((hit) => ({ ...hit, text: documents.get(hit.id)?.text ?? '' }));
}

async function timed<T>(work: Promise<T>): Promise<{ readonly value: T; readonly seconds: number }> {
  const startedMs = performance.now();
  const value = await work;
  return { value, seconds: (performance.now() - startedMs) / 1000 };
}
