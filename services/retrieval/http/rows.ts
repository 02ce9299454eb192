import type { SearchHit } from '../retriever.ts';

/** What Search-R1's, Menlo's and ReCall's clients read from a result, all in one. */
export interface Row {
  /** Of what was found: a page, or a chunk of one. */
  readonly id: string;
  /** Of the whole page, which a visit gives. */
  readonly doc_id: string;
  readonly title: string;
  readonly text: string;
  /** `"Title"\ntext`: clients take the first line as title, and what follows as text. */
  readonly contents: string;
}

export function rowOf({ id, parentId, title, text }: Pick<SearchHit, 'id' | 'parentId' | 'title' | 'text'>): Row {
  const plain = unquoted(title);
  return { id, doc_id: parentId || id, title: plain, text, contents: `"${plain}"\n${text}` };
}

/** Corpora of Search-R1's family carry the title in quotes already. */
function unquoted(title: string): string {
  return title.length > 1 && title.startsWith('"') && title.endsWith('"') ? title.slice(1, -1) : title;
}
