import { z } from 'zod';

/** A row of HotpotQA's distractor setting in the official schema (Yang et al. 2018); unknown keys are errors. */
export const hotpotqaRowSchema = z.strictObject({
  _id: z.string().min(1),
  question: z.string().min(1),
  answer: z.string().min(1),
  type: z.enum(['bridge', 'comparison']),
  level: z.enum(['easy', 'medium', 'hard']),
  /** Title of a paragraph, number of a sentence in it from 0. */
  supporting_facts: z.array(z.tuple([z.string(), z.int().min(0)])).min(1),
  /** Title of a paragraph, its sentences; those after the first bring the space before them along. */
  context: z.array(z.tuple([z.string(), z.array(z.string())])).min(1),
});

export type HotpotqaRow = z.infer<typeof hotpotqaRowSchema>;

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
