import { z } from 'zod';
import { answerSchema, answersSchema, idSchema, questionSchema } from '../question-row.ts';
import { fromQuestion, idOfText, listCell, type Format } from './row-format.ts';

const searchR1Row = z.object({
  id: idSchema.optional(),
  data_source: z.string().max(128).optional(),
  question: questionSchema,
  golden_answers: z.union([answersSchema, answerSchema.transform((answer) => [answer])], {
    error: ({ input }) =>
      (Array.isArray(input) ? answersSchema : answerSchema).safeParse(input).error?.issues[0]?.message ??
      'must be a list of answers',
  }),
});

/** As Search-R1 publishes its rows; their ids are unique within a source. */
export const searchR1: Format = {
  keys: Object.keys(searchR1Row.shape),
  jsonKeys: { golden_answers: listCell },
  nested: [],
  hasParagraphs: false,
  schema: searchR1Row.transform(({ id, data_source: source, question, golden_answers: answers }) =>
    fromQuestion({
      id: id === undefined ? idOfText(question) : source === undefined ? id : `${source}/${id}`,
      question,
      answers,
      aliases: answers.length - 1,
      hops: 0,
      supportTitles: [],
    }),
  ),
};
