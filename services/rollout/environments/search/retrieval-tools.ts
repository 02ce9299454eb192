import type { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { cancelledFrom, throwIfCancelled } from '#shared/errors.ts';
import type { GrpcClient } from '#shared/grpc/client.ts';
import type { SearchDocument, SearchHit, SearchTools } from './search-tools.ts';

/** Bound of one request of the retrieval service. */
const largestBatch = 256;

/**
 * The search environment's tools over the retrieval service. Calls that are made in the same turn of the event loop
 * travel together, so that hundreds of concurrent episodes cost a few requests; a caller that stops waiting does not
 * cancel the others.
 */
export function createRetrievalTools(
  client: Pick<GrpcClient<typeof RetrievalService>, 'search' | 'fetch'>,
): SearchTools {
  const searches = new Map<number, (query: string, signal: AbortSignal) => Promise<readonly SearchHit[]>>();
  const fetchOne = createBatcher(async (ids: readonly string[]): Promise<readonly (SearchDocument | undefined)[]> => {
    const { documents } = await client.fetch({ ids: [...new Set(ids)] });
    const byId = new Map(documents.map((document) => [document.id, document]));
    return ids.map((id) => byId.get(id));
  });
  return {
    search(query, topK, { signal }) {
      let searchOne = searches.get(topK);
      if (searchOne === undefined) {
        searchOne = createBatcher(async (queries: readonly string[]): Promise<readonly (readonly SearchHit[])[]> => {
          const { results } = await client.search({ queries: [...queries], topK });
          return results.map(({ hits }) => hits);
        });
        searches.set(topK, searchOne);
      }
      return searchOne(query, signal);
    },
    fetch: (id, { signal }) => fetchOne(id, signal),
  };
}

interface Waiter<R> {
  readonly item: string;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/** Gathers calls until the event loop turns, then runs them in batches. The queue is bounded by the callers' concurrency. */
function createBatcher<R>(
  run: (items: readonly string[]) => Promise<readonly R[]>,
): (item: string, signal: AbortSignal) => Promise<R> {
  let waiting: Waiter<R>[] = [];

  async function flush(batch: readonly Waiter<R>[]): Promise<void> {
    try {
      const results = await run(batch.map(({ item }) => item));
      batch.forEach(({ resolve, reject }, index) => {
        if (index < results.length) resolve(results[index] as R); // In range; R itself may include undefined.
        else reject(new Error(`the retrieval service gave ${results.length} results for ${batch.length} requests`));
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  function flushAll(): void {
    const all = waiting;
    waiting = [];
    for (let start = 0; start < all.length; start += largestBatch) void flush(all.slice(start, start + largestBatch));
  }

  return (item, signal) =>
    new Promise<R>((resolve, reject) => {
      throwIfCancelled(signal);
      const onAbort = (): void => reject(cancelledFrom(signal.reason));
      signal.addEventListener('abort', onAbort, { once: true });
      const settled = (): void => signal.removeEventListener('abort', onAbort);
      if (waiting.length === 0) setImmediate(flushAll);
      waiting.push({
        item,
        resolve: (result) => (settled(), resolve(result)),
        reject: (error) => (settled(), reject(error)),
      });
    });
}
