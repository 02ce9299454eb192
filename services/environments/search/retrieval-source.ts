import type { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { createCallBatcher, type BatchedCall } from '#platform/async/call-batcher.ts';
import { TransientError } from '#platform/errors.ts';
import type { GrpcClient } from '#platform/grpc/client.ts';
import type { SearchDocument, SearchHit, SearchSource } from './search-tools.ts';

/** Bound of one request of the retrieval service. */
const largestBatch = 256;

/** Largest part that the service gives, in UTF-16 units. */
const largestPart = 1_000_000;

/**
 * What the search environment stands on, over the retrieval service. Calls of many episodes travel together; a caller that stops
 * waiting does not cancel the others.
 */
export function createRetrievalSource(
  client: Pick<GrpcClient<typeof RetrievalService>, 'search' | 'fetch'>,
): SearchSource {
  const searches = new Map<number, BatchedCall<readonly SearchHit[]>>();
  const fetchOne = createCallBatcher(
    async (ids: readonly string[]): Promise<readonly (SearchDocument | undefined)[]> => {
      const { documents } = await client.fetch({ ids: [...ids] });
      const byId = new Map<string, SearchDocument>();
      for (const document of documents) {
        byId.set(document.id, document.parts > 1 ? await wholeDocument(client, document.id) : document);
      }
      return ids.map((id) => byId.get(id));
    },
    largestBatch,
  );
  return {
    search(query, topK, { signal }) {
      let searchOne = searches.get(topK);
      if (searchOne === undefined) {
        searchOne = createCallBatcher(
          async (queries: readonly string[]): Promise<readonly (readonly SearchHit[])[]> => {
            const { results } = await client.search({ queries: [...queries], topK });
            return results.map(({ hits }) => hits);
          },
          largestBatch,
        );
        searches.set(topK, searchOne);
      }
      return searchOne(query, signal);
    },
    fetch: (id, { signal }) => fetchOne(id, signal),
  };
}

/**
 * A page longer than the service gives at a time, joined: the environment cuts what it shows, says so, and has to know how
 * long the whole is.
 */
async function wholeDocument(
  client: Pick<GrpcClient<typeof RetrievalService>, 'fetch'>,
  id: string,
): Promise<SearchDocument> {
  let title = '';
  let text = '';
  for (let part = 0, parts = 1; part < parts; part += 1) {
    const { documents } = await client.fetch({ ids: [id], part, partCharacters: largestPart });
    const [found] = documents;
    if (found === undefined || (part > 0 && found.parts !== parts)) {
      throw new TransientError('unavailable', `document '${id}' changed while its parts were read`);
    }
    ({ title, parts } = found);
    text += found.text;
  }
  return { id, title, text };
}
