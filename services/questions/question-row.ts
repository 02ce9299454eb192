import { create } from '@bufbuild/protobuf';
import { z } from 'zod';
import { RowSchema, type Row } from '#proto/rollout/v1/task_pb.ts';
import type { JsonObject } from './row-facts.ts';

/** What a row may hold at most; a task with it fits into a message of the queue several times. */
export const rowLimits = {
  idCharacters: 256,
  questionCharacters: 65_536,
  answerCharacters: 4096,
  answers: 1000,
  titleCharacters: 512,
  titles: 100,
  /** All texts of a row together. */
  characters: 262_144,
} as const;

const bounded = (most: number) =>
  z
    .string()
    .max(most, `longer than ${most} characters; shorten it`)
    .refine((text) => text.trim() !== '', 'is blank; fill it in, or remove the row');

const finite = z.number({ error: 'must be text, a number or an interval [start, end]' });

/** Text, a number as JSON has it, or `[start, end]` of an interval; written as text. */
export const answerSchema = z.union(
  [
    bounded(rowLimits.answerCharacters),
    finite.transform(String),
    z.tuple([finite, finite]).transform(([start, end]) => `${start} - ${end}`),
  ],
  { error: unionProblem },
);

/** zod says of a union only that nothing fits; a text that is too long or blank deserves its own words. */
function unionProblem({ input }: { readonly input?: unknown }): string {
  if (input === undefined) return 'is missing; fill it in';
  if (typeof input !== 'string') return 'must be text, a number or an interval [start, end]';
  return bounded(rowLimits.answerCharacters).safeParse(input).error?.issues[0]?.message ?? 'is not an answer';
}

/** Text, or a whole number as tables have it. */
export const idSchema = z.preprocess(
  (value) => (Number.isSafeInteger(value) ? String(value) : value),
  bounded(rowLimits.idCharacters),
);
export const questionSchema = bounded(rowLimits.questionCharacters);
export const answersSchema = z
  .array(answerSchema, 'must be a list; a table has it as JSON, for example ["Ann", "Bob"]')
  .min(1, 'is empty; give the gold answer and its aliases, or remove the row')
  .max(rowLimits.answers, `more than ${rowLimits.answers} answers; keep those that matter`);
export const titleSchema = bounded(rowLimits.titleCharacters);
export const titlesSchema = z.array(titleSchema).max(rowLimits.titles, `more than ${rowLimits.titles} titles`);

/** A question with answers, of any source. */
export interface QuestionRow {
  readonly id: string;
  readonly question: string;
  /** The answer and its aliases, or the elements of a set; never empty, none is blank. */
  readonly answers: readonly string[];
  /** Facts to join; 0 when unknown. */
  readonly hops: number;
  /** Titles of the pages that hold the facts; empty when unknown. */
  readonly supportTitles: readonly string[];
  /** Answers after the first that are said to mean the same as it; not the elements of a set. */
  readonly aliases?: number;
}

/** A row as environments, scorers and files of our own have it. */
export interface PlainRow {
  readonly id: string;
  readonly data: JsonObject;
  readonly gold: JsonObject;
  readonly tags: Readonly<Record<string, string>>;
}

/** A row without what else its source has. */
export function plainRow({ id, data, gold, tags }: PlainRow): PlainRow {
  return { id, data, gold, tags };
}

/** The plain form of a question; `hops` becomes a tag. */
export function plainRowOf({ id, question, answers, hops, supportTitles, aliases = 0 }: QuestionRow): PlainRow {
  const [answer, ...others] = new Set(answers);
  return {
    id,
    data: { question },
    gold: {
      ...(aliases > 0 ? { answer, aliases: others } : { answers: [...new Set(answers)] }),
      ...(supportTitles.length > 0 && { support_titles: [...new Set(supportTitles)] }),
    },
    tags: hops > 0 ? { hops: String(hops) } : {},
  };
}

/** As tasks carry it. */
export function wireRow({ id, data, gold, tags }: PlainRow): Row {
  return create(RowSchema, { id, dataJson: JSON.stringify(data), goldJson: JSON.stringify(gold), tags });
}

/** How the prepared files of a run's rows are written. */
export const questionFormats = ['musique', 'plain'] as const;
export type QuestionFormat = (typeof questionFormats)[number];

/** The format that the `data` section of a recipe leads to. */
export function questionFormatOf(data: { readonly rows?: unknown }): QuestionFormat {
  return data.rows === undefined ? 'musique' : 'plain';
}
