import { TerminalError } from '#platform/errors.ts';
import { limits } from '../limits.ts';
import type { Description, DocumentPart, FetchOptions, Retriever, SearchMode, SearchOptions } from '../retriever.ts';
import type { Admission } from './admission.ts';
import type { CallerWaits } from './caller-waits.ts';
import { decideSearch, type SearchAbilities, type SearchPlan } from './decide-search.ts';
import { decodeHits, noHits, type EncodedHits } from './encoded-hits.ts';
import type { SharedQuery, SharedSearches, StageSeconds } from './shared-searches.ts';
import type { Generation, Generations } from './generations.ts';
import type { ResultCache } from './result-cache.ts';
import type { FetchJob, SearchPool } from './search-pool.ts';
import { trace } from '@opentelemetry/api';

export interface EncodedAnswer {
  /** One per query, in the order asked. */
  readonly results: readonly EncodedHits[];
  readonly indexVersion: string;
  readonly mode: SearchMode;
  readonly reranked: boolean;
}

/** For servers that send hits as they were encoded; `search` gives the same, decoded. */
export interface ServingRetriever extends Retriever {
  searchEncoded(queries: readonly string[], options: SearchOptions): Promise<EncodedAnswer>;
}

export interface ServedIndex {
  readonly indexVersion: string;
  readonly abilities: SearchAbilities;
  readonly description: Description;
}

export interface ServingEvents {
  cached(outcome: 'hit' | 'miss', queries: number): void;
  refused(): void;
  /** Nobody waited for it any more when its turn came. */
  dropped(): void;
}

export interface ServingOptions<I extends ServedIndex> {
  readonly generations: Generations<I>;
  readonly pool: Pick<SearchPool<unknown>, 'push'>;
  readonly cache: ResultCache;
  readonly shared: SharedSearches;
  readonly admission: Admission;
  readonly waits: CallerWaits;
  readonly events: ServingEvents;
}

/** So many searches that were given up are worth a look through the queue. */
const sweepAfter = 64;

/** Admission, cache and waiting, before whatever searches. */
export function createServingRetriever<I extends ServedIndex>(options: ServingOptions<I>): ServingRetriever {
  const { generations, pool, cache, shared, admission, waits, events } = options;
  let givenUp = 0;

  function enter(queries: number, bytes: number): void {
    try {
      admission.enter(queries, bytes);
    } catch (error) {
      events.refused();
      throw error;
    }
  }

  /** What callers leave behind in the queue must not grow with the number of those who leave. */
  function countGivenUp(queries: number): void {
    givenUp += queries;
    if (givenUp < sweepAfter || 2 * givenUp < shared.waiting) return;
    givenUp = 0;
    shared.sweep();
  }

  /** Fills the places of `queries` in `results`. */
  async function findMissing(
    queries: readonly SharedQuery[],
    results: (EncodedHits | undefined)[],
    plan: SearchPlan,
    generation: Generation<I>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let bytes = 0;
    for (const { query } of queries) bytes += Buffer.byteLength(query);
    enter(queries.length, bytes);
    const wait = waits.begin(queries.length, signal, (left) => {
      admission.leave(queries.length, bytes);
      if (left > 0) countGivenUp(left);
    });
    let answerBytes = 0;
    const note = stageNotes();
    shared.request(queries, plan, generation.number, {
      get over() {
        return wait.over;
      },
      found(place, hits, seconds) {
        if (wait.over) return;
        note?.(seconds);
        results[place] = hits;
        bytes += hits.byteLength;
        answerBytes += hits.byteLength;
        admission.hold(hits.byteLength);
        if (answerBytes <= limits.answerBytes) wait.arrived();
        else wait.fail(tooLong());
      },
      failed: wait.fail,
    });
    await wait.ended;
  }

  async function searchEncoded(queries: readonly string[], asked: SearchOptions): Promise<EncodedAnswer> {
    const generation = generations.acquire();
    try {
      const { indexVersion, abilities } = generation.index;
      const plan = decideSearch(asked, abilities);
      const prefix = `${indexVersion} ${plan.mode} ${plan.rerank} ${plan.topK} ${plan.withText} `;
      const results: (EncodedHits | undefined)[] = [];
      const missing: SharedQuery[] = [];
      queries.forEach((query, place) => {
        const key = prefix + query;
        const known = cache.get(key);
        results.push(known);
        if (known === undefined) missing.push({ key, query, place });
      });
      if (missing.length < queries.length) events.cached('hit', queries.length - missing.length);
      if (missing.length > 0) {
        events.cached('miss', missing.length);
        await findMissing(missing, results, plan, generation, asked.signal);
      }
      return {
        results: results.map((hits) => hits ?? noHits),
        indexVersion,
        mode: plan.mode,
        reranked: plan.rerank,
      };
    } finally {
      generation.release();
    }
  }

  async function fetch(
    ids: readonly string[],
    { part, partCharacters, signal }: FetchOptions,
  ): Promise<readonly (DocumentPart | undefined)[]> {
    const generation = generations.acquire();
    try {
      let documents: readonly (DocumentPart | undefined)[] = [];
      const bytes = ids.reduce((sum, id) => sum + Buffer.byteLength(id), 0);
      enter(ids.length, bytes);
      const wait = waits.begin(1, signal, (left) => {
        admission.leave(ids.length, bytes);
        if (left > 0) countGivenUp(left);
      });
      const job: FetchJob = {
        kind: 'fetch',
        task: { generation: generation.number, ids, part, partCharacters },
        wanted: () => !wait.over,
        dropped: events.dropped,
        started: () => {},
        failed: wait.fail,
        found(found) {
          documents = found;
          wait.arrived();
        },
      };
      pool.push([job]);
      await wait.ended;
      return documents;
    } finally {
      generation.release();
    }
  }

  return {
    searchEncoded,
    async search(queries, asked) {
      const { results, ...rest } = await searchEncoded(queries, asked);
      return { ...rest, results: results.map(decodeHits) };
    },
    fetch,
    describe: () => generations.index.description,
    reload: (signal) => generations.reload(signal),
  };
}

function tooLong(): TerminalError {
  const most = limits.answerBytes / 2 ** 20;
  return new TerminalError(
    'invalid_argument',
    `queries, top_k: the answer is longer than ${most} MiB; ask for less at once`,
  );
}

/**
 * Adds an event for each query that comes back to the span of the call that runs now: how long each stage took.
 * Undefined where nobody records the call.
 */
export function stageNotes(): ((seconds: StageSeconds) => void) | undefined {
  const span = trace.getActiveSpan();
  if (span === undefined || !span.isRecording()) return undefined;
  return (seconds) =>
    span.addEvent(
      'gradus.retrieval.query',
      Object.fromEntries(Object.entries(seconds).map(([stage, value]) => [`gradus.retrieval.${stage}_seconds`, value])),
    );
}
