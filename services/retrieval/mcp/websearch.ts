import type { z } from 'zod';
import { type Finder, cutQuery } from '../http/find.ts';
import type { websearchInput } from './tool-schemas.ts';
import type { SearchHit } from '../retriever.ts';

/** The ids are those of pages, also where chunks of them were found: scrape gives pages in full. */
export async function websearch(
  finder: Finder,
  { query, k }: z.output<typeof websearchInput>,
  signal: AbortSignal,
): Promise<object> {
  const hits = await previews(finder, query, k, signal);
  return { results: hits.map(({ id, parentId, title, preview }) => ({ id: parentId || id, title, preview })) };
}

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
