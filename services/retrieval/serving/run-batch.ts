import { TerminalError, errorFrom, type TerminalCode } from '#platform/errors.ts';
import { limits } from '../limits.ts';
import type { DocumentPart } from '../retriever.ts';
import { fuseRanks } from '../search/fuse-ranks.ts';
import { createHitsWriter, type HitsWriter } from './encoded-hits.ts';
import { executorStages, type Batch, type BatchAnswer, type ExecutorStage, type SearchTask } from './executor.ts';
import { nearestOfAll, type NearestOfTask } from './nearest-of-all.ts';
import type { PassageReader, Ranking } from './open-passage-reader.ts';

/** Words and vectors each give this many candidates, or as many as are asked for. */
export const hybridDepth = 100;

/** Works on one batch at a time in this thread, over the indexes that `readers` has by generation. */
export function createBatchRunner(readers: ReadonlyMap<number, PassageReader>): (batch: Batch) => Promise<BatchAnswer> {
  const writer = createHitsWriter();

  function readerOf(generation: number): PassageReader {
    const reader = readers.get(generation);
    if (reader === undefined) throw new TypeError(`the index of generation ${generation} is not open here`);
    return reader;
  }

  function search(task: SearchTask, nearest: NearestOfTask | undefined): Record<ExecutorStage, number> {
    const reader = readerOf(task.generation);
    const { ranking, lexical, fuse } = rank(reader, task, nearest);
    const foundMs = performance.now();
    writeHits(writer, reader, ranking, task.withText);
    return { lexical, dense: nearest?.seconds ?? 0, fuse, content: since(foundMs) };
  }

  return async ({ searches, fetches }) => {
    const ends = new Uint32Array(searches.length);
    const seconds = new Float32Array(searches.length * executorStages.length);
    const failures = new Map<number, { code: TerminalCode; message: string }>();
    const nearest = await nearestOfAll(searches, readers, depthOf);
    searches.forEach((task, index) => {
      const before = writer.size;
      try {
        const taken = search(task, nearest.get(task));
        executorStages.forEach((stage, at) => (seconds[index * executorStages.length + at] = taken[stage]));
      } catch (thrown) {
        writer.drop(before);
        failures.set(index, failureOf(thrown));
      }
      ends[index] = writer.size;
    });
    const documents = fetches.map(({ generation, ids, part, partCharacters }, index): (DocumentPart | undefined)[] => {
      try {
        return fetchAll(readerOf(generation), ids, part, partCharacters);
      } catch (thrown) {
        failures.set(searches.length + index, failureOf(thrown));
        return [];
      }
    });
    return { hits: writer.take(), ends, seconds, documents, failures };
  };
}

function depthOf({ mode, topK }: SearchTask): number {
  return mode === 'hybrid' ? Math.max(hybridDepth, topK) : topK;
}

function rank(
  reader: PassageReader,
  task: SearchTask,
  nearest: NearestOfTask | undefined,
): { readonly ranking: Ranking; readonly lexical: number; readonly fuse: number } {
  if (nearest?.error !== undefined) throw nearest.error;
  const startedMs = performance.now();
  switch (task.mode) {
    case 'lexical': {
      const ranking = reader.search(task.query, task.topK);
      return { ranking, lexical: since(startedMs), fuse: 0 };
    }
    case 'dense':
      return { ranking: rankingOf(nearest), lexical: 0, fuse: 0 };
    case 'hybrid': {
      const words = reader.search(task.query, depthOf(task));
      const lexical = since(startedMs);
      const ranking = fuseRanks([words.passages, rankingOf(nearest).passages], task.topK);
      return { ranking, lexical, fuse: since(startedMs) - lexical };
    }
  }
}

function rankingOf(nearest: NearestOfTask | undefined): Ranking {
  if (nearest?.ranking === undefined) throw new TypeError('a search by vectors came without one');
  return nearest.ranking;
}

function writeHits(writer: HitsWriter, reader: PassageReader, { passages, scores }: Ranking, withText: boolean): void {
  const before = writer.size;
  for (let at = 0; at < passages.length; at += 1) {
    const passage = passages[at] ?? 0;
    if (writer.size - before > limits.answerBytes) throw tooLong('queries, top_k');
    const text = withText ? reader.text(passage).text.slice(0, limits.hitTextCharacters) : '';
    writer.add({ ...reader.card(passage), score: scores[at] ?? 0, text });
  }
}

function fetchAll(
  reader: PassageReader,
  ids: readonly string[],
  part: number,
  partCharacters: number,
): (DocumentPart | undefined)[] {
  let characters = 0;
  return ids.map((id) => {
    const document = reader.fetch(id, part, partCharacters);
    characters += document?.text.length ?? 0;
    if (characters > limits.answerBytes) throw tooLong('ids, part_characters');
    return document;
  });
}

function since(startedMs: number): number {
  return (performance.now() - startedMs) / 1000;
}

function tooLong(fields: string): TerminalError {
  const most = limits.answerBytes / 2 ** 20;
  return new TerminalError(
    'invalid_argument',
    `${fields}: the answer is longer than ${most} MiB; ask for less at once`,
  );
}

function failureOf(thrown: unknown): { code: TerminalCode; message: string } {
  const error = errorFrom(thrown);
  return { code: error instanceof TerminalError ? error.code : 'internal', message: error.message };
}
