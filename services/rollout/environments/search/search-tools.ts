import { z } from 'zod';

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
export interface SearchTools {
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

export type SearchCall =
  | { readonly tool: 'websearch'; readonly query: string }
  | { readonly tool: 'scrape'; readonly id: string };

const searchArgs = z.strictObject({ query: text });
const scrapeArgs = z.strictObject({ id: text });

export type CheckedCall =
  | { readonly kind: 'ok'; readonly call: SearchCall }
  | { readonly kind: 'violation'; readonly code: 'unknown_tool' | 'bad_arguments' };

/** A call that the tools can take; an empty argument passes, and fails when it runs. */
export function checkCall(name: string, args: Readonly<Record<string, unknown>>): CheckedCall {
  switch (name) {
    case 'websearch': {
      const parsed = searchArgs.safeParse(args);
      if (!parsed.success) return { kind: 'violation', code: 'bad_arguments' };
      return { kind: 'ok', call: { tool: 'websearch', query: parsed.data.query } };
    }
    case 'scrape': {
      const parsed = scrapeArgs.safeParse(args);
      if (!parsed.success) return { kind: 'violation', code: 'bad_arguments' };
      return { kind: 'ok', call: { tool: 'scrape', id: parsed.data.id } };
    }
  }
  return { kind: 'violation', code: 'unknown_tool' };
}
