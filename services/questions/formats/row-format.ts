import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { type PlainRow, type QuestionRow, plainRowOf } from '../question-row.ts';

/** A row of a file, and what else a corpus or a check may need of it. */
export interface SourceRow extends PlainRow {
  /** Passages `title\ntext`; empty where the format has none. */
  readonly paragraphs: readonly string[];
}

/** How the rows of a file are written, whatever kind of file it is. */
export interface Format {
  readonly schema: z.ZodType<SourceRow>;
  /** Keys that are read; others are ignored, for files of others bring their own. */
  readonly keys: readonly string[];
  /** Keys whose text in a table is JSON, each with what such text begins with; other text stays text, as the answer `1.50`. */
  readonly jsonKeys: Readonly<Record<string, RegExp>>;
  /** Keys whose parts may have columns of their own, as `tags.level`. */
  readonly nested: readonly string[];
  readonly hasParagraphs: boolean;
}

/** Beginnings of JSON in a cell of a table. */
export const listCell = /^\s*\[/;
export const objectCell = /^\s*\{/;
export const numberCell = /^\s*-?\d/;

type QuestionSource = QuestionRow & Partial<Pick<SourceRow, 'paragraphs'>>;

export function fromQuestion({ paragraphs = [], ...question }: QuestionSource): SourceRow {
  return { ...plainRowOf(question), paragraphs };
}

/** The same question has the same id wherever it stands. */
export function idOfText(question: string): string {
  return `q-${createHash('sha256').update(question).digest('hex').slice(0, 16)}`;
}
