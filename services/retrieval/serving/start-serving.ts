import type { CrossEncoder } from '../models/cross-encoder.ts';
import type { Encoder } from '../models/encoder.ts';
import { createAdmission, type Admission, type AdmissionLimits } from './admission.ts';
import { createCallerWaits } from './caller-waits.ts';
import { createSharedSearches, type StageSeconds } from './shared-searches.ts';
import { startGenerations, type GenerationsEvents, type LoadedIndex } from './generations.ts';
import { createInlineExecutor } from './inline-executor.ts';
import type { Executor } from './executor.ts';
import { createEncodeStage, createRerankStage } from './model-stages.ts';
import type { PassageReader } from './open-passage-reader.ts';
import { createResultCache, type ResultCache } from './result-cache.ts';
import { startSearchPool, type PoolOptions, type SearchPool } from './search-pool.ts';
import { createServingRetriever, type ServedIndex, type ServingRetriever } from './serving-retriever.ts';
import { startThreadExecutor } from './thread-executor.ts';
import { createThroughput } from './throughput.ts';

export interface ServingSettings extends AdmissionLimits {
  /** 0: in the calling thread. */
  readonly searchThreads: number;
  readonly cacheMib: number;
  readonly maxMs: number;
}

/** What is reported of serving, while it goes on. */
export interface ServingEvents extends GenerationsEvents {
  cached(outcome: 'hit' | 'miss' | 'joined', queries: number): void;
  refused(): void;
  /** Nobody waited for it any more when its turn came. */
  dropped(): void;
  answered(seconds: StageSeconds): void;
  threadLost(reason: Error): void;
  /** What can be read at any time. */
  watch(gauges: ServingGauges): void;
}

export interface ServingGauges {
  readonly admission: Pick<Admission, 'queries' | 'bytes'>;
  readonly cache: Pick<ResultCache, 'bytes'>;
  readonly pool: Pick<SearchPool<unknown>, 'busyExecutors' | 'executors'>;
  readonly retriever: Pick<ServingRetriever, 'describe'>;
}

/** Who searches: threads of ours or the calling thread, or whatever else can be an executor. */
export type ServingExecutors<D> =
  | {
      readonly kind: 'threads';
      /** For searches in this thread. */
      readonly openReader: (data: D) => Promise<PassageReader>;
      /** A module that serves `D` in a thread. */
      readonly threadEntry: URL;
    }
  | { readonly kind: 'other'; readonly start: () => Executor<D>; readonly count: number; readonly maxBatch: number };

export interface ServingParts<D> {
  readonly settings: ServingSettings;
  readonly load: () => Promise<LoadedIndex<D> & ServedIndex>;
  readonly executors: ServingExecutors<D>;
  readonly models: { readonly encoder: Encoder | undefined; readonly crossEncoder: CrossEncoder | undefined };
  readonly events: ServingEvents;
}

/** A thread is handed this many queries at once; the calling thread fewer, since calls wait meanwhile. */
const mostAtOnce = { thread: 32, inline: 4 } as const;
/** Before anything was measured. */
const assumedQueriesPerSecond = 1_000;

export async function startServing<D>(
  parts: ServingParts<D>,
): Promise<{ readonly retriever: ServingRetriever; stop(): Promise<void> }> {
  const { settings, load, models, events } = parts;
  const pool = startSearchPool<D>({
    ...poolOptions(parts),
    // By then every caller's own time is over.
    mostBatchMs: 2 * settings.maxMs,
    onExecutorLost: events.threadLost,
  });
  const cache = createResultCache(settings.cacheMib * 2 ** 20);
  const throughput = createThroughput(assumedQueriesPerSecond, () => performance.now());
  const admission = createAdmission(settings, throughput);
  const shared = createSharedSearches({
    pool,
    encode: models.encoder === undefined ? undefined : createEncodeStage(models.encoder),
    rerank: models.crossEncoder === undefined ? undefined : createRerankStage(models.crossEncoder),
    cache,
    join: settings.cacheMib > 0,
    events: {
      joined: (queries) => events.cached('joined', queries),
      answered(seconds) {
        throughput.finish(1);
        events.answered(seconds);
      },
      dropped: events.dropped,
    },
  });
  try {
    const generations = await startGenerations({ load, pool, events });
    const retriever = createServingRetriever({
      generations,
      pool,
      cache,
      shared,
      admission,
      waits: createCallerWaits(settings.maxMs),
      events,
    });
    events.watch({ admission, cache, pool, retriever });
    return {
      retriever,
      async stop() {
        await pool.stop();
        await generations.close();
      },
    };
  } catch (error) {
    await pool.stop();
    throw error;
  }
}

function poolOptions<D>({
  executors,
  settings,
}: ServingParts<D>): Omit<PoolOptions<D>, 'onExecutorLost' | 'mostBatchMs'> {
  if (executors.kind === 'other')
    return { startExecutor: executors.start, executors: executors.count, maxBatch: executors.maxBatch };
  const { openReader, threadEntry } = executors;
  const threads = settings.searchThreads;
  return threads === 0
    ? { startExecutor: () => createInlineExecutor(openReader), executors: 1, maxBatch: mostAtOnce.inline }
    : { startExecutor: () => startThreadExecutor(threadEntry), executors: threads, maxBatch: mostAtOnce.thread };
}
