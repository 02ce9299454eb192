import { z } from 'zod';
import { answerSchema, answersSchema, idSchema, questionSchema, rowLimits, titlesSchema } from '../question-row.ts';
import { fromQuestion, idOfText, listCell, numberCell, objectCell, type Format } from './row-format.ts';

const mustBeObject = 'must be an object; a table has it as JSON, for example {"level": 1}';

/** Part of the name of a metric, so neither dots nor spaces. */
const tagValue = z
  .union([z.string(), z.int()])
  .transform(String)
  .pipe(z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be a number or text of letters, digits, _ and -, at most 64'));

const rowTags = z
  .record(
    z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be lower case, digits and _, at most 64'),
    tagValue,
    mustBeObject,
  )
  .default({});

const plainRow = z.strictObject({
  id: idSchema,
  data: z.record(z.string(), z.json(), mustBeObject),
  gold: z.record(z.string(), z.json(), mustBeObject).default({}),
  tags: rowTags,
});

/** Rows of any environment. */
export const plain: Format = {
  keys: Object.keys(plainRow.shape),
  jsonKeys: { data: objectCell, gold: objectCell, tags: objectCell },
  nested: ['data', 'gold', 'tags'],
  hasParagraphs: false,
  schema: plainRow.transform((row) => ({ ...row, paragraphs: [] })),
};

const gradusRow = z
  .object({
    id: idSchema.optional(),
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

/** Questions with answers; an id that is absent is made of the question. */
export const gradus: Format = {
  keys: Object.keys(gradusRow.shape),
  jsonKeys: { answers: listCell, aliases: listCell, hops: numberCell, support_titles: listCell, tags: objectCell },
  nested: ['tags'],
  hasParagraphs: false,
  schema: gradusRow.transform(
    ({ id, question, answer, answers, aliases = [], hops = 0, support_titles = [], tags }) => {
      const row = fromQuestion({
        id: id ?? idOfText(question),
        question,
        answers: answer === undefined ? (answers ?? []) : [answer, ...aliases],
        aliases: aliases.length,
        hops,
        supportTitles: support_titles,
      });
      return { ...row, tags: { ...tags, ...row.tags } };
    },
  ),
};
