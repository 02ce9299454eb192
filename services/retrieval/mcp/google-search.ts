import { linkOf } from '../http/document-link.ts';
import type { Finder } from '../http/find.ts';
import { invalid } from '../http/request-fields.ts';
import { limits } from '../limits.ts';
import { previews } from './websearch.ts';

export interface GoogleSearch {
  readonly q: string;
  readonly gl?: string | undefined;
  readonly hl?: string | undefined;
  readonly num: number;
  readonly page: number;
}

/** One page of results in Serper's form; `position` counts from 1 through all pages. */
export async function googleSearch(
  finder: Finder,
  { q, gl, hl, num, page }: GoogleSearch,
  signal: AbortSignal,
): Promise<object> {
  const last = page * num;
  if (last > limits.topK) throw invalid(`page: ${page} of ${num} results each; results go to number ${limits.topK}`);
  const hits = await previews(finder, q, last, signal);
  const first = last - num;
  return {
    searchParameters: { q, gl, hl, num, page, type: 'search' },
    organic: hits.slice(first).map(({ id, parentId, title, preview }, index) => ({
      title,
      link: linkOf(parentId || id),
      snippet: preview,
      position: first + index + 1,
    })),
  };
}
