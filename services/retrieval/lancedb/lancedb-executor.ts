import { CancelledError, TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import { wholePairs } from '../content/whole-pairs.ts';
import { limits } from '../limits.ts';
import type { DocumentPart } from '../retriever.ts';
import { createHitsWriter } from '../serving/encoded-hits.ts';
import {
  executorStages,
  type Batch,
  type BatchAnswer,
  type FetchTask,
  type Executor,
  type ExecutorFailure,
  type ExecutorStage,
  type SearchTask,
} from '../serving/executor.ts';
import type { LancedbHit, LancedbIndex } from './lancedb-index.ts';
import { rankHits } from './rank-hits.ts';

type StageTimes = Partial<Record<ExecutorStage, number>>;

/**
 * Hands batches to LanceDB, which searches in threads of its own; many executors of one process share an index. `timeoutMs`
 * bounds each of its answers: what has begun cannot be stopped.
 */
export function createLancedbExecutor(timeoutMs: number): Executor<LancedbIndex> {
  const indexes = new Map<number, LancedbIndex>();
  const ended = Promise.withResolvers<undefined>();

  function indexOf(generation: number): LancedbIndex {
    const index = indexes.get(generation);
    if (index === undefined) throw new TypeError(`the index of generation ${generation} is not open here`);
    return index;
  }

  async function search(
    task: SearchTask,
  ): Promise<{ hits: readonly LancedbHit[]; times: StageTimes } | ExecutorFailure> {
    try {
      const found = await rankHits(indexOf(task.generation), task, timeoutMs);
      checkSize(found.hits, 'queries, top_k');
      return found;
    } catch (thrown) {
      return failureOf(thrown);
    }
  }

  async function fetch(task: FetchTask): Promise<readonly (DocumentPart | undefined)[] | ExecutorFailure> {
    const { generation, ids, part, partCharacters } = task;
    try {
      const found = await indexOf(generation).fetch(ids, timeoutMs);
      const documents = ids.map((id): DocumentPart | undefined => {
        const document = found.get(id);
        if (document === undefined) return undefined;
        const { title, text, parentId } = document;
        const start = Math.min(text.length, part * partCharacters);
        const bounds = { from: 0, end: text.length };
        return {
          id,
          title,
          text: wholePairs((from, to) => text.slice(from, to), bounds, start, start + partCharacters),
          parentId,
          part,
          parts: Math.max(1, Math.ceil(text.length / partCharacters)),
          characters: text.length,
        };
      });
      checkSize(
        documents.filter((one) => one !== undefined),
        'ids, part_characters',
      );
      return documents;
    } catch (thrown) {
      return failureOf(thrown);
    }
  }

  return {
    open: async (generation, index) => void indexes.set(generation, index),
    close: async (generation) => void indexes.delete(generation),
    async run({ searches, fetches }: Batch): Promise<BatchAnswer> {
      const [found, fetched] = await Promise.all([Promise.all(searches.map(search)), Promise.all(fetches.map(fetch))]);
      const writer = createHitsWriter();
      const ends = new Uint32Array(searches.length);
      const seconds = new Float32Array(searches.length * executorStages.length);
      const failures = new Map<number, ExecutorFailure>();
      found.forEach((one, index) => {
        if ('code' in one) failures.set(index, one);
        else {
          for (const hit of one.hits) writer.add({ ...hit, text: hit.text.slice(0, limits.hitTextCharacters) });
          executorStages.forEach((stage, at) => (seconds[index * executorStages.length + at] = one.times[stage] ?? 0));
        }
        ends[index] = writer.size;
      });
      const documents = fetched.map((one, index) => {
        if (!('code' in one)) return one;
        failures.set(searches.length + index, one);
        return [];
      });
      return { hits: writer.take(), ends, seconds, documents, failures };
    },
    ended: ended.promise,
    stop: async () => {
      indexes.clear();
      ended.resolve(undefined);
    },
  };
}

function checkSize(texts: readonly { readonly text: string }[], fields: string): void {
  const characters = texts.reduce((sum, { text }) => sum + text.length, 0);
  if (characters <= limits.answerBytes) return;
  const most = limits.answerBytes / 2 ** 20;
  throw new TerminalError('invalid_argument', `${fields}: the answer is longer than ${most} MiB; ask for less at once`);
}

function failureOf(thrown: unknown): ExecutorFailure {
  const error = errorFrom(thrown);
  const { message } = error;
  if (error instanceof TerminalError) return { code: error.code, message };
  if (error instanceof TransientError) return { code: 'unavailable', message };
  return { code: error instanceof CancelledError ? 'deadline_exceeded' : 'internal', message };
}
