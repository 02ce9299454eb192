import type { HotpotqaRow } from './hotpotqa-row.ts';

/** A paragraph as a passage of a corpus holds it: `title\ntext`. */
export function paragraphContents([title, sentences]: HotpotqaRow['context'][number]): string {
  return `${title}\n${sentences.join('')}`;
}

/** All paragraphs of all rows, exact duplicates removed, in the order of their first row. */
export function allParagraphs(rows: Iterable<HotpotqaRow>): string[] {
  const contents = new Set<string>();
  for (const row of rows) for (const paragraph of row.context) contents.add(paragraphContents(paragraph));
  return [...contents];
}
