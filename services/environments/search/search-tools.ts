import { z } from 'zod';
import { markCut } from '../kit/codec.ts';
import { defineTool, type Tool } from '../kit/tools.ts';
import type { SearchOptions } from './options.ts';

export interface SearchHit {
  readonly id: string;
  readonly title: string;
  readonly preview: string;
}

export interface SearchDocument {
  readonly id: string;
  readonly title: string;
  readonly text: string;
}

/** What the tools stand on. Both reject with `TransientError` when the service fails, `CancelledError` on `signal`. */
export interface SearchSource {
  search(query: string, topK: number, io: { readonly signal: AbortSignal }): Promise<readonly SearchHit[]>;
  /** undefined when the corpus has no such id. */
  fetch(id: string, io: { readonly signal: AbortSignal }): Promise<SearchDocument | undefined>;
}

/** Longest argument that a tool takes; the retrieval service's bound is 8 KiB. UTF-16 units. */
const longestArgument = 2048;

const text = z
  .union([z.string(), z.int()])
  .transform((value) => String(value).trim())
  .pipe(z.string().max(longestArgument));

/** `websearch` and `scrape`. Facts of a call: the titles of the pages that it brought. */
export function createSearchTools(source: SearchSource, options: SearchOptions): readonly Tool[] {
  return [
    defineTool({
      name: 'websearch',
      about: 'Lists documents with their ids and the start of their text.',
      args: z.strictObject({ query: text }),
      async run({ query }, io) {
        if (query === '') return { error: 'the query is empty' };
        const hits = await source.search(query, options.top_k, io);
        if (hits.length === 0) return { error: 'nothing found' };
        return { text: renderHits(hits, options), facts: { page_titles: hits.map(({ title }) => title) } };
      },
    }),
    defineTool({
      name: 'scrape',
      about: 'Shows a whole document.',
      args: z.strictObject({ id: text }),
      async run({ id }, io) {
        if (id === '') return { error: 'the id is empty' };
        const document = await source.fetch(id, io);
        if (document === undefined) return { error: 'no page has this id' };
        return { text: renderDocument(document, options), facts: { page_titles: [document.title] } };
      },
    }),
  ];
}

function renderHits(hits: readonly SearchHit[], { preview_characters: limit }: SearchOptions): string {
  return hits.map((hit) => `[${hit.id}] ${hit.title}: ${cutAtWord(hit.preview, limit)}`).join('\n');
}

function renderDocument(
  { title, text: body }: SearchDocument,
  { max_document_characters: limit }: SearchOptions,
): string {
  if (body.length <= limit) return `${title}: ${body}`;
  return markCut(`${title}: ${cutAtWord(body, limit)}`, limit, body.length);
}

function cutAtWord(long: string, limit: number): string {
  if (long.length <= limit) return long;
  const space = long.lastIndexOf(' ', limit);
  return long
    .slice(0, space > 0 ? space : limit)
    .toWellFormed()
    .trimEnd();
}
