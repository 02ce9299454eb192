import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { SearchRequest, SearchResponseSchema } from '#proto/retrieval/v1/retrieval_pb.ts';
import { TerminalError, throwIfCancelled } from '#shared/errors.ts';
import type { RetrievalEvents } from '../events.ts';
import type { Library, LibraryHit } from '../library.ts';

export const maxQueries = 256;
export const maxQueryBytes = 8 * 1024;
export const maxTopK = 100;
export const defaultTopK = 10;

/** A batch gives way to other calls after this long. */
const sliceMs = 10;

/** One list of hits per query, in the order asked. INVALID_ARGUMENT names the field that is out of bounds. */
export async function search(
  library: Library,
  events: RetrievalEvents,
  request: SearchRequest,
  signal: AbortSignal,
): Promise<MessageInitShape<typeof SearchResponseSchema>> {
  checkSearch(request);
  const topK = request.topK === 0 ? defaultTopK : request.topK;
  const started = performance.now();
  let sliceStarted = started;
  const results: { hits: LibraryHit[] }[] = [];
  for (const query of request.queries) {
    results.push({ hits: library.search(query, topK) });
    if (performance.now() - sliceStarted < sliceMs) continue;
    await nextTurn();
    throwIfCancelled(signal);
    sliceStarted = performance.now();
  }
  events.searched(
    results.map(({ hits }) => hits.length),
    performance.now() - started,
  );
  return { results, indexVersion: library.indexVersion };
}

function checkSearch({ queries, topK }: SearchRequest): void {
  if (queries.length === 0 || queries.length > maxQueries) {
    throw new TerminalError('invalid_argument', `queries: found ${queries.length}; give 1 to ${maxQueries} of them`);
  }
  queries.forEach((query, index) => {
    const bytes = Buffer.byteLength(query);
    if (bytes <= maxQueryBytes) return;
    throw new TerminalError(
      'invalid_argument',
      `queries[${index}]: ${bytes} bytes long; at most ${maxQueryBytes} are read`,
    );
  });
  if (topK > maxTopK)
    throw new TerminalError('invalid_argument', `top_k: ${topK}; give 1 to ${maxTopK}, or 0 for ${defaultTopK}`);
}
