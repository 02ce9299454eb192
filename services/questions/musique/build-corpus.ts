import type { MuSiqueRow } from './musique-row.ts';

/** A passage of a retrieval corpus: `contents` is `title\ntext`. */
export interface Passage {
  readonly id: string;
  readonly contents: string;
}

/** All paragraphs of all rows, exact duplicates removed, sorted; the ids follow that order, so equal rows give equal ids. */
export async function buildCorpus(rows: AsyncIterable<MuSiqueRow> | Iterable<MuSiqueRow>): Promise<Passage[]> {
  const contents = new Set<string>();
  for await (const row of rows) {
    for (const { title, paragraph_text: text } of row.paragraphs) contents.add(`${title}\n${text}`);
  }
  const width = Math.max(5, String(contents.size).length);
  return [...contents]
    .sort()
    .map((passage, index) => ({ id: `p${String(index).padStart(width, '0')}`, contents: passage }));
}
