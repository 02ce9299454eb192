import { createHash } from 'node:crypto';
import { z } from 'zod';
import { paragraphContents } from './hotpotqa/hotpotqa-row.ts';
import {
  type PlainRow,
  type QuestionRow,
  answerSchema,
  answersSchema,
  idSchema,
  plainRowOf,
  questionSchema,
  rowLimits,
  titleSchema,
  titlesSchema,
} from './question-row.ts';

export const rowFormats = ['plain', 'gradus', 'search_r1', 'hotpotqa', '2wiki'] as const;
export type RowFormat = (typeof rowFormats)[number];

/** A row of a file, and what else a corpus or a check may need of it. */
export interface SourceRow extends PlainRow {
  /** Passages `title\ntext`; empty where the format has none. */
  readonly paragraphs: readonly string[];
}

/** Part of the name of a metric, so neither dots nor spaces. */
const tagValue = z
  .union([z.string(), z.int()])
  .transform(String)
  .pipe(z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be a number or text of letters, digits, _ and -, at most 64'));

const rowTags = z
  .record(z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be lower case, digits and _, at most 64'), tagValue)
  .default({});

interface Format {
  readonly schema: z.ZodType<SourceRow>;
  /** Keys that are read; others are ignored, for files of others bring their own. */
  readonly keys: readonly string[];
  readonly hasParagraphs: boolean;
}

const plainRow = z.strictObject({
  id: idSchema,
  data: z.record(z.string(), z.json()),
  gold: z.record(z.string(), z.json()).default({}),
  tags: rowTags,
});

const gradusRow = z
  .object({
    id: idSchema,
    question: questionSchema,
    answer: answerSchema.optional(),
    answers: answersSchema.optional(),
    aliases: z
      .array(answerSchema)
      .max(rowLimits.answers - 1, `more than ${rowLimits.answers - 1} aliases; keep those that matter`)
      .optional(),
    hops: z.int().min(0).max(100).optional(),
    support_titles: titlesSchema.optional(),
    tags: rowTags,
  })
  .check(({ value: { answer, answers, aliases, hops, tags }, issues }) => {
    const refuse = (field: string, message: string): void => {
      issues.push({ code: 'custom', path: [field], message, input: undefined });
    };
    if (answer === undefined && answers === undefined)
      refuse('answer', 'is missing; give answer, or answers as a list');
    if (answer !== undefined && answers !== undefined) refuse('answers', 'is there next to answer; give one of them');
    if (answers !== undefined && aliases !== undefined) refuse('aliases', 'go next to answer; add them to answers');
    if (hops !== undefined && tags['hops'] !== undefined)
      refuse('hops', 'is there next to tags.hops; give one of them');
  });

const searchR1Row = z.object({
  id: z.union([idSchema, z.int().transform(String)]).optional(),
  data_source: z.string().max(128).optional(),
  question: questionSchema,
  golden_answers: z.union([answersSchema, answerSchema.transform((answer) => [answer])], {
    error: ({ input }) =>
      (Array.isArray(input) ? answersSchema : answerSchema).safeParse(input).error?.issues[0]?.message ??
      'must be a list of answers',
  }),
});

const hotpotqaKeys = z.object({
  _id: idSchema,
  question: questionSchema,
  answer: answerSchema,
  /** Title of a paragraph, number of a sentence in it from 0. */
  supporting_facts: z
    .array(z.tuple([titleSchema, z.int()]))
    .max(rowLimits.titles)
    .default([]),
  context: z.array(z.tuple([z.string(), z.array(z.string())])).default([]),
});

type HotpotqaKeys = z.output<typeof hotpotqaKeys>;

type QuestionSource = QuestionRow & Pick<SourceRow, 'paragraphs'>;

function fromQuestion({ paragraphs, ...question }: QuestionSource): SourceRow {
  return { ...plainRowOf(question), paragraphs };
}

function fromHotpotqa(
  { _id: id, ...row }: HotpotqaKeys,
  contents: (paragraph: HotpotqaKeys['context'][number]) => string,
): SourceRow {
  const supportTitles = [...new Set(row.supporting_facts.map(([title]) => title))];
  return fromQuestion({
    id,
    question: row.question,
    answers: [row.answer],
    hops: supportTitles.length,
    supportTitles,
    paragraphs: row.context.filter(([, sentences]) => sentences.some((text) => text.trim() !== '')).map(contents),
  });
}

/** 2Wiki's sentences do not bring the space between them along. */
const spacedContents = ([title, sentences]: HotpotqaKeys['context'][number]): string =>
  `${title}\n${sentences.map((sentence) => sentence.trim()).join(' ')}`;

export const formats: Readonly<Record<RowFormat, Format>> = {
  plain: {
    keys: Object.keys(plainRow.shape),
    hasParagraphs: false,
    schema: plainRow.transform((row) => ({ ...row, paragraphs: [] })),
  },
  gradus: {
    keys: Object.keys(gradusRow.shape),
    hasParagraphs: false,
    schema: gradusRow.transform(
      ({ id, question, answer, answers, aliases = [], hops = 0, support_titles = [], tags }) => {
        const row = fromQuestion({
          id,
          question,
          answers: answer === undefined ? (answers ?? []) : [answer, ...aliases],
          aliases: aliases.length,
          hops,
          supportTitles: support_titles,
          paragraphs: [],
        });
        return { ...row, tags: { ...tags, ...row.tags } };
      },
    ),
  },
  search_r1: {
    keys: Object.keys(searchR1Row.shape),
    hasParagraphs: false,
    schema: searchR1Row.transform(({ id, data_source: source, question, golden_answers: answers }) =>
      fromQuestion({
        id: id === undefined ? idOfText(question) : source === undefined ? id : `${source}/${id}`,
        question,
        answers,
        aliases: answers.length - 1,
        hops: 0,
        supportTitles: [],
        paragraphs: [],
      }),
    ),
  },
  hotpotqa: {
    keys: Object.keys(hotpotqaKeys.shape),
    hasParagraphs: true,
    schema: hotpotqaKeys.transform((row) => fromHotpotqa(row, paragraphContents)),
  },
  '2wiki': {
    keys: Object.keys(hotpotqaKeys.shape),
    hasParagraphs: true,
    schema: hotpotqaKeys.transform((row) => fromHotpotqa(row, spacedContents)),
  },
};

/** The same question has the same id wherever it stands. */
function idOfText(question: string): string {
  return `q-${createHash('sha256').update(question).digest('hex').slice(0, 16)}`;
}
