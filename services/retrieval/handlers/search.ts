import type { SearchRequest, SearchResponseSchema } from '#proto/retrieval/v1/retrieval_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import type { EncodedMessage } from '#platform/grpc/service-definition.ts';
import type { RetrievalEvents } from '../events.ts';
import { limits } from '../limits.ts';
import type { ServingRetriever } from '../serving/serving-retriever.ts';
import { encodeSearchResponse } from './encode-search-response.ts';
import { modeFromProto } from './search-mode.ts';

/** One list of hits per query, in the order asked. INVALID_ARGUMENT names the field that is out of bounds. */
export async function search(
  retriever: ServingRetriever,
  events: RetrievalEvents,
  request: SearchRequest,
  signal: AbortSignal,
): Promise<EncodedMessage<typeof SearchResponseSchema>> {
  checkSearch(request);
  const { queries, topK, mode, rerank, withText } = request;
  const started = performance.now();
  const answer = await retriever.searchEncoded(queries, {
    topK: topK || limits.defaultTopK,
    mode: modeFromProto(mode),
    rerank,
    withText,
    signal,
  });
  events.searched(
    answer.results.map((hits) => hits.length),
    performance.now() - started,
  );
  return encodeSearchResponse(answer);
}

function checkSearch({ queries, topK }: SearchRequest): void {
  if (queries.length === 0 || queries.length > limits.queries) {
    throw new TerminalError(
      'invalid_argument',
      `queries: found ${queries.length}; give 1 to ${limits.queries} of them`,
    );
  }
  queries.forEach((query, index) => {
    const bytes = Buffer.byteLength(query);
    if (bytes <= limits.queryBytes) return;
    throw new TerminalError(
      'invalid_argument',
      `queries[${index}]: ${bytes} bytes long; at most ${limits.queryBytes} are read`,
    );
  });
  if (topK > limits.topK) {
    throw new TerminalError(
      'invalid_argument',
      `top_k: ${topK}; give 1 to ${limits.topK}, or 0 for ${limits.defaultTopK}`,
    );
  }
}
