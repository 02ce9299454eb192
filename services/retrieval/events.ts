import type { Metrics } from '#shared/telemetry/metrics.ts';
import { durationBuckets } from '#shared/telemetry/metrics.ts';
import type { Logger } from '#shared/telemetry/logging.ts';
import type { Library } from './library.ts';

/** What happens in this service, counted and logged in one place. */
export interface RetrievalEvents {
  indexBuilt(library: Library, loadMs: number, buildMs: number): void;
  searched(hitsPerQuery: readonly number[], elapsedMs: number): void;
  fetched(found: number, missing: number): void;
}

export function createRetrievalEvents(log: Logger, metrics: Metrics): RetrievalEvents {
  const documents = metrics.gauge('gradus_retrieval_index_documents', 'Documents in the index that serves.');
  const queries = metrics.counter('gradus_retrieval_queries_total', 'Queries answered.', ['hits']);
  const seconds = metrics.histogram(
    'gradus_retrieval_search_seconds',
    'Time of one Search call, all of its queries, in the service.',
    durationBuckets,
  );
  const fetches = metrics.counter('gradus_retrieval_fetches_total', 'Documents asked for.', ['outcome']);
  return {
    indexBuilt(library, loadMs, buildMs) {
      documents.set(library.documents);
      log.info(
        {
          corpus: library.corpusPath,
          documents: library.documents,
          terms: library.terms,
          indexVersion: library.indexVersion,
          loadMs: Math.round(loadMs),
          buildMs: Math.round(buildMs),
        },
        'index built',
      );
    },
    searched(hitsPerQuery, elapsedMs) {
      const empty = hitsPerQuery.filter((hits) => hits === 0).length;
      queries.inc({ hits: 'none' }, empty);
      queries.inc({ hits: 'some' }, hitsPerQuery.length - empty);
      seconds.observe(elapsedMs / 1000);
    },
    fetched(found, missing) {
      fetches.inc({ outcome: 'found' }, found);
      fetches.inc({ outcome: 'missing' }, missing);
    },
  };
}
