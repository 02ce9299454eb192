import type { Finder } from '../http/find.ts';
import { cutQuery } from '../http/find.ts';
import type { SearchHit } from '../retriever.ts';

/** Hits of one query with previews, without their texts. */
export async function previews(
  { retriever, events }: Finder,
  query: string,
  topK: number,
  signal: AbortSignal,
): Promise<readonly SearchHit[]> {
  const started = performance.now();
  const { results } = await retriever.search([cutQuery(query)], { topK, signal });
  const [hits = []] = results;
  events.searched([hits.length], performance.now() - started);
  return hits;
}
