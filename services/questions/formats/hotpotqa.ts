import { z } from 'zod';
import { paragraphContents } from '../hotpotqa/hotpotqa-row.ts';
import { answerSchema, idSchema, questionSchema, rowLimits, titleSchema } from '../question-row.ts';
import { fromQuestion, type Format } from './row-format.ts';

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

type Paragraph = z.output<typeof hotpotqaKeys>['context'][number];

const listOrObject = /^\s*[[{]/;

/** As Hugging Face keeps these sets: lists side by side in the place of pairs, and `id`. */
const besideLists = z.object({
  id: z.unknown(),
  supporting_facts: z.object({ title: z.array(z.unknown()), sent_id: z.array(z.unknown()) }),
  context: z.object({ title: z.array(z.unknown()), sentences: z.array(z.unknown()) }),
});

function asPublished(value: unknown): unknown {
  const { data } = besideLists.safeParse(value);
  if (data === undefined) return value;
  const pairs = (titles: readonly unknown[], others: readonly unknown[]): unknown =>
    titles.map((title, at) => [title, others[at]]);
  return {
    ...Object(value),
    _id: data.id,
    supporting_facts: pairs(data.supporting_facts.title, data.supporting_facts.sent_id),
    context: pairs(data.context.title, data.context.sentences),
  };
}

const formatWith = (contents: (paragraph: Paragraph) => string): Format => ({
  keys: [...Object.keys(hotpotqaKeys.shape), 'id'],
  jsonKeys: { supporting_facts: listOrObject, context: listOrObject },
  nested: [],
  hasParagraphs: true,
  schema: z.preprocess(asPublished, hotpotqaKeys).transform(({ _id: id, ...row }) => {
    const supportTitles = [...new Set(row.supporting_facts.map(([title]) => title))];
    return fromQuestion({
      id,
      question: row.question,
      answers: [row.answer],
      hops: supportTitles.length,
      supportTitles,
      paragraphs: row.context.filter(([, sentences]) => sentences.some((text) => text.trim() !== '')).map(contents),
    });
  }),
});

export const hotpotqa = formatWith(paragraphContents);

/** 2Wiki's sentences do not bring the space between them along. */
export const twoWiki = formatWith(
  ([title, sentences]) => `${title}\n${sentences.map((sentence) => sentence.trim()).join(' ')}`,
);
