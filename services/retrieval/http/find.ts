import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import type { RetrievalEvents } from '../events.ts';
import { limits } from '../limits.ts';
import type { Retriever, SearchHit } from '../retriever.ts';
import { invalid } from './request-fields.ts';

export interface Finder {
  readonly retriever: Retriever;
  readonly events: RetrievalEvents;
}

/** A trainer's whole batch comes as one request: Search-R1 sends batch size times samples. */
export const mostQueries = 8_192;
/** Documents of one call to the retriever, and calls of one request at a time: what one request may hold. */
const callHits = 2_048;
const callsAtOnce = 4;
/** UTF-16 units of all texts of one answer. */
const mostAnswerCharacters = 32 * 1024 * 1024;

/**
 * Hits with their texts, a list per query in the order asked. Queries come from a policy and the servers that this one
 * stands in for cut them, so one that is too long is cut too: an error would fail its whole batch.
 */
export async function find(
  { retriever, events }: Finder,
  queries: readonly string[],
  topK: number,
  signal: AbortSignal,
): Promise<readonly (readonly SearchHit[])[]> {
  const started = performance.now();
  let characters = 0;
  const ask = async (some: readonly string[]): Promise<readonly (readonly SearchHit[])[]> => {
    const { results } = await retriever.search(some.map(cutQuery), { topK, withText: true, signal });
    for (const hits of results) for (const hit of hits) characters += hit.text.length;
    if (characters > mostAnswerCharacters) {
      throw invalid(
        `the answer to ${queries.length} queries with ${topK} documents each is longer than ${mostAnswerCharacters} ` +
          'characters; ask for fewer',
      );
    }
    return results;
  };
  const size = Math.max(1, Math.min(limits.queries, Math.floor(callHits / topK)));
  const results =
    queries.length <= size
      ? await ask(queries)
      : (await mapConcurrent(chunksOf(queries, size), callsAtOnce, ask, signal)).flat();
  events.searched(
    results.map((hits) => hits.length),
    performance.now() - started,
  );
  return results;
}

function* chunksOf<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

/** To the bound of every API, between characters. */
export function cutQuery(query: string): string {
  // A character takes at least one byte and at most three for each UTF-16 unit.
  if (query.length * 3 <= limits.queryBytes) return query;
  const bytes = Buffer.from(query);
  if (bytes.length <= limits.queryBytes) return query;
  let end: number = limits.queryBytes;
  // Continuation bytes of UTF-8 begin with 10.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end).toString();
}
