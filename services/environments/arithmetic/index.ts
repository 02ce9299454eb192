import { z } from 'zod';
import { answerFields } from '../kit/options.ts';
import { neutralise } from '../kit/codec.ts';
import { defineEnvironment } from '../kit/environment.ts';

const options = z.strictObject({
  prompt_template: z
    .string()
    .min(1)
    .max(4096)
    .refine((text) => text.includes('{question}'), 'must contain {question}')
    .default('{question}=')
    .describe('The prompt; `{question}` is replaced.'),
  stop: z.string().min(1).max(16).default('\n').describe('What ends the answer; it is not a part of it.'),
});

/** One sum a rollout: `12+7=` is the prompt, and what the policy writes up to the stop is its answer. */
export const arithmetic = defineEnvironment({
  name: 'arithmetic',
  about: 'Write the result of a sum; one turn, no tools.',
  options,
  row: {
    data: z.object({ question: z.string().min(1).max(1024).describe('The sum, for example 12+7.') }),
    gold: z.object(answerFields),
  },
  scorers: ['exact_match'],
  primaryMetric: 'exact_match',
  tags: ['digits'],
  open: ({ prompt_template: template, stop }) => ({
    stop: [stop],
    start: ({ data }) => ({
      prompt: () => template.replaceAll('{question}', () => neutralise(data.question)),
      step({ text, cutBy }) {
        const [written = ''] = text.split(stop);
        const answer = written.trim();
        if (cutBy !== undefined) return { kind: 'done', failure: 'truncated_turn' };
        return answer === '' ? { kind: 'done', failure: 'malformed_turn' } : { kind: 'done', prediction: answer };
      },
    }),
  }),
});
