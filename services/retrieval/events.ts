import type { Metrics } from '#platform/telemetry/metrics.ts';
import { durationBuckets } from '#platform/telemetry/metrics.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import type { Stage } from './serving/shared-searches.ts';
import type { ServingEvents } from './serving/start-serving.ts';

/** What happens in this service, counted and logged in one place. */
export interface RetrievalEvents extends ServingEvents {
  /** `missing`: why parts that the config asks for are not there. */
  indexOpened(
    index: {
      readonly indexVersion: string;
      readonly manifest: {
        readonly corpus: { readonly path: string; readonly pages: number };
        readonly terms: number;
      };
    },
    missing: readonly string[],
    elapsedMs: number,
  ): void;
  /** `hitsPerQuery`: hits, or bytes of hits; it matters only which are 0. */
  searched(hitsPerQuery: readonly number[], elapsedMs: number): void;
  fetched(found: number, missing: number): void;
}

/** Seconds, from 50 us to 10 s. */
const stageBuckets = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 10];

const stageNames: readonly Stage[] = ['queue', 'encode', 'lexical', 'dense', 'fuse', 'rerank', 'content'];

export function createRetrievalEvents(log: Logger, metrics: Metrics): RetrievalEvents {
  const queries = metrics.counter('gradus_retrieval_queries_total', 'Queries answered.', ['hits']);
  const answeredNone = queries.labels('none');
  const answeredSome = queries.labels('some');
  const seconds = metrics.histogram(
    'gradus_retrieval_search_seconds',
    'Time of one Search call, all of its queries, in the service.',
    durationBuckets,
  );
  const fetches = metrics.counter('gradus_retrieval_fetches_total', 'Documents asked for.', ['outcome']);
  const stages = metrics.histogram(
    'gradus_retrieval_stage_seconds',
    'Time of one query in one stage; answers from the cache have none.',
    stageBuckets,
    ['stage'],
  );
  const stageTimes = stageNames.map((stage) => ({ stage, histogram: stages.labels(stage) }));
  const cached = metrics.counter('gradus_retrieval_cache_queries_total', 'Queries by where their answer came from.', [
    'outcome',
  ]);
  const refused = metrics.counter('gradus_retrieval_refused_calls_total', 'Calls refused since too much was waiting.');
  const dropped = metrics.counter(
    'gradus_retrieval_dropped_queries_total',
    'Queries that were not begun, since their callers had left.',
  );
  const lost = metrics.counter('gradus_retrieval_lost_threads_total', 'Search threads that ended and were replaced.');
  const reloads = metrics.counter('gradus_retrieval_reloads_total', 'Reloads of the index.', ['outcome']);
  return {
    cached: (outcome, count) => cached.inc({ outcome }, count),
    refused: () => refused.inc(),
    dropped: () => dropped.inc(),
    answered(taken) {
      for (const { stage, histogram } of stageTimes) if (taken[stage] > 0) histogram.observe(taken[stage]);
    },
    threadLost(reason) {
      lost.inc();
      log.error({ err: reason }, 'a search thread was lost; another one takes its place');
    },
    reloaded(outcome, details) {
      reloads.inc({ outcome });
      if (outcome === 'failed') log.error(details, 'the index was not reloaded; the old one goes on serving');
      else log.info(details, outcome === 'swapped' ? 'another index serves' : 'the index has not changed');
    },
    watch({ admission, cache, pool, retriever }) {
      metrics.gauge(
        'gradus_retrieval_index_documents',
        'Documents in the index that serves.',
        [],
        () => retriever.describe().documents,
      );
      metrics.gauge(
        'gradus_retrieval_waiting_queries',
        'Queries that wait or are worked on.',
        [],
        () => admission.queries,
      );
      metrics.gauge(
        'gradus_retrieval_waiting_bytes',
        'Bytes of those queries, and of the answers held for them.',
        [],
        () => admission.bytes,
      );
      metrics.gauge('gradus_retrieval_cache_bytes', 'Memory of the cached answers.', [], () => cache.bytes);
      metrics.gauge('gradus_retrieval_search_threads', 'Threads that can search.', [], () => pool.executors);
      metrics.gauge(
        'gradus_retrieval_busy_threads',
        'Threads that search at this moment.',
        [],
        () => pool.busyExecutors,
      );
    },
    indexOpened({ manifest, indexVersion }, missing, elapsedMs) {
      for (const reason of missing) log.warn({ reason }, 'a part that was asked for is missing; words are searched');
      log.info(
        {
          corpus: manifest.corpus.path,
          documents: manifest.corpus.pages,
          terms: manifest.terms,
          indexVersion,
          elapsedMs: Math.round(elapsedMs),
        },
        'index opened',
      );
    },
    searched(hitsPerQuery, elapsedMs) {
      const empty = hitsPerQuery.reduce((sum, hits) => (hits === 0 ? sum + 1 : sum), 0);
      if (empty > 0) answeredNone.inc(empty);
      answeredSome.inc(hitsPerQuery.length - empty);
      seconds.observe(elapsedMs / 1000);
    },
    fetched(found, missing) {
      fetches.inc({ outcome: 'found' }, found);
      fetches.inc({ outcome: 'missing' }, missing);
    },
  };
}
