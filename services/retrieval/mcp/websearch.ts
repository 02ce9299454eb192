import type { z } from 'zod';
import type { Finder } from '../http/find.ts';
import { previews } from './previews.ts';
import type { websearchInput } from './tool-schemas.ts';

/** The ids are those of pages, also where chunks of them were found: scrape gives pages in full. */
export async function websearch(
  finder: Finder,
  { query, k }: z.output<typeof websearchInput>,
  signal: AbortSignal,
): Promise<object> {
  const hits = await previews(finder, query, k, signal);
  return { results: hits.map(({ id, parentId, title, preview }) => ({ id: parentId || id, title, preview })) };
}
