import { z } from 'zod';
import { answerSchema, questionSchema } from '../question-row.ts';
import { fromQuestion, idOfText, type Format } from './row-format.ts';

const trimmed = (value: unknown): unknown => (typeof value === 'string' ? value.trim() : value);

const simpleqaRow = z.object({
  problem: z.preprocess(trimmed, questionSchema),
  answer: z.preprocess(trimmed, answerSchema),
  /** A dictionary as Python prints it, with `topic` and `answer_type`. */
  metadata: z.string().optional(),
});

/** SimpleQA as OpenAI publishes it: metadata, problem, answer. Topic and type of answer become tags. */
export const simpleqa: Format = {
  keys: Object.keys(simpleqaRow.shape),
  jsonKeys: {},
  nested: [],
  hasParagraphs: false,
  schema: simpleqaRow.transform(({ problem: question, answer, metadata = '' }) => {
    const row = fromQuestion({ id: idOfText(question), question, answers: [answer], hops: 0, supportTitles: [] });
    return { ...row, tags: { ...tagOf('topic', metadata), ...tagOf('answer_type', metadata) } };
  }),
};

/** `Science and technology` becomes `science_and_technology`. */
function tagOf(key: string, metadata: string): Record<string, string> {
  const [, text = ''] = new RegExp(`'${key}': '([^']*)'`).exec(metadata) ?? [];
  const value = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .slice(0, 64);
  return value === '' ? {} : { [key]: value };
}
