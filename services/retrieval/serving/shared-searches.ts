import type { SearchPlan } from './decide-search.ts';
import type { EncodedHits } from './encoded-hits.ts';
import type { GatheredStage } from './gathered-stage.ts';
import type { ExecutorStage, SearchTask } from './executor.ts';
import type { EncodeItem, RerankItem } from './model-stages.ts';
import type { ResultCache } from './result-cache.ts';
import type { SearchJob, SearchPool } from './search-pool.ts';

/** What a query goes through. `queue` is all waiting for a thread or a model; stages that it did not need are 0. */
export type Stage = 'queue' | 'encode' | ExecutorStage | 'rerank';
export type StageSeconds = Readonly<Record<Stage, number>>;

/** A call that waits for some searches; `place` is the one that it gave when it asked. */
export interface SearchWaiter {
  readonly over: boolean;
  found(place: number, hits: EncodedHits, seconds: StageSeconds): void;
  failed(error: unknown): void;
}

export interface SharedQuery {
  /** Names all that the answer depends on. */
  readonly key: string;
  readonly query: string;
  readonly place: number;
}

export interface SharedSearchEvents {
  joined(queries: number): void;
  answered(seconds: StageSeconds): void;
  /** Nobody waited for it any more when its turn came. */
  dropped(): void;
}

export interface SharedSearches {
  /** Searches that wait for a thread or a model. */
  readonly waiting: number;
  /** Asks for searches; those that are on their way already are waited for. */
  request(queries: readonly SharedQuery[], plan: SearchPlan, generation: number, waiter: SearchWaiter): void;
  /** Forgets what nobody waits for; to be called when that may be much. */
  sweep(): void;
}

export interface SharedSearchesOptions {
  readonly pool: Pick<SearchPool<unknown>, 'push' | 'sweep' | 'waiting'>;
  /** Absent where there is no such model; then no plan asks for it. */
  readonly encode?: GatheredStage<EncodeItem> | undefined;
  readonly rerank?: GatheredStage<RerankItem> | undefined;
  readonly cache: ResultCache;
  /** Whether callers who ask for the same at the same time share one search. */
  readonly join: boolean;
  readonly events: SharedSearchEvents;
}

interface SharedSearch {
  readonly generation: number;
  readonly waiting: { readonly waiter: SearchWaiter; readonly place: number }[];
  readonly job: SearchJob;
  readonly encodeItem: EncodeItem;
}

/**
 * Searches on their way: [encode] --> search thread --> [rerank]. The calls that wait for them are bounded by admission,
 * and so are these.
 */
export function createSharedSearches({
  pool,
  encode,
  rerank,
  cache,
  join,
  events,
}: SharedSearchesOptions): SharedSearches {
  const shared = new Map<string, SharedSearch>();

  function create({ key, query }: SharedQuery, plan: SearchPlan, generation: number): SharedSearch {
    const { mode, topK, withText } = plan;
    const waiting: SharedSearch['waiting'] = [];
    let sinceMs = performance.now();
    let vector: Float32Array | undefined;
    const seconds = { queue: 0, encode: 0, lexical: 0, dense: 0, fuse: 0, content: 0, rerank: 0 };

    /** Counts the time since the last change to a stage. */
    function passed(stage: 'queue' | 'encode' | 'rerank'): void {
      const nowMs = performance.now();
      seconds[stage] += (nowMs - sinceMs) / 1000;
      sinceMs = nowMs;
    }
    /** Another search may stand under the same key: of a later opening of the same index. */
    function forget(): void {
      if (shared.get(key) === search) shared.delete(key);
    }
    function land(hits: EncodedHits): void {
      forget();
      cache.set(key, hits);
      events.answered(seconds);
      for (const { waiter, place } of waiting) waiter.found(place, hits, seconds);
    }
    const item = {
      query,
      wanted: () => waiting.some(({ waiter }) => !waiter.over),
      dropped() {
        forget();
        events.dropped();
      },
      started: () => passed('queue'),
      failed(error: unknown) {
        forget();
        for (const { waiter } of waiting) waiter.failed(error);
      },
    };
    const search: SharedSearch = {
      generation,
      waiting,
      encodeItem: {
        ...item,
        encoded(made) {
          passed('encode');
          vector = made;
          pool.push([search.job]);
        },
      },
      job: {
        ...item,
        kind: 'search',
        get task(): SearchTask {
          const wanted =
            rerank !== undefined && plan.rerank ? { topK: plan.candidates, withText: true } : { topK, withText };
          return { generation, query, mode, vector, ...wanted };
        },
        found(hits, taken) {
          sinceMs = performance.now();
          Object.assign(seconds, taken);
          if (rerank === undefined || !plan.rerank) return land(hits);
          const reranked = (ordered: EncodedHits): void => {
            passed('rerank');
            land(ordered);
          };
          return rerank.push([{ ...item, candidates: hits, topK, withText, reranked }]);
        },
      },
    };
    return search;
  }

  return {
    get waiting() {
      return pool.waiting + (encode?.waiting ?? 0) + (rerank?.waiting ?? 0);
    },
    request(queries, plan, generation, waiter) {
      const started: SharedSearch[] = [];
      for (const one of queries) {
        const present = shared.get(one.key);
        const known = present?.generation === generation ? present : undefined;
        const search = known ?? create(one, plan, generation);
        search.waiting.push({ waiter, place: one.place });
        if (known !== undefined) continue;
        if (join) shared.set(one.key, search);
        started.push(search);
      }
      if (started.length < queries.length) events.joined(queries.length - started.length);
      if (plan.mode === 'lexical' || encode === undefined) pool.push(started.map(({ job }) => job));
      else encode.push(started.map(({ encodeItem }) => encodeItem));
    },
    sweep() {
      pool.sweep();
      encode?.sweep();
      rerank?.sweep();
    },
  };
}
