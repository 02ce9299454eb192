import { z } from 'zod';
import { codecNames, thoughtRules } from '../kit/codec.ts';

export const searchOptions = z
  .strictObject({
    prompt_template: z
      .string()
      .min(1)
      .max(16_384)
      .refine((text) => text.includes('{question}'), 'must contain {question}')
      .default('{question}')
      .describe('First prompt of an episode, with `chat` the message of the user; `{question}` is replaced.'),
    chat: z
      .boolean()
      .default(false)
      .describe("Speak in messages, in the model's own chat template; with codec `hermes` it lists the tools."),
    system_prompt: z.string().min(1).max(16_384).optional().describe('Message of the system; needs `chat: true`.'),
    top_k: z.int().min(1).max(100).default(10).describe('Hits that one search returns.'),
    preview_characters: z
      .int()
      .min(20)
      .max(10_000)
      .default(150)
      .describe('Most characters of a hit that the policy sees; the service may give fewer.'),
    max_document_characters: z
      .int()
      .min(100)
      .max(10_000_000)
      .default(20_000)
      .describe('Most characters of a document that the policy sees; a cut is marked in the text.'),
    codec: z.enum(codecNames).default('xml').describe('How calls, results and answers are written.'),
    think: z
      .enum(thoughtRules)
      .default('violation')
      .describe(
        '`<think> … </think>` in front of a call or an answer: a `violation`; `allowed`; or `stripped`, allowed and not read by scorers. Training keeps what was sampled. With `chat`, the template begins a thought unless it is a violation.',
      ),
    max_violations: z
      .int()
      .min(0)
      .max(100)
      .default(2)
      .describe('Malformed turns that get a notice; one more ends the episode.'),
  })
  .refine(({ chat, system_prompt: prompt }) => chat || prompt === undefined, {
    path: ['system_prompt'],
    error: 'needs chat: true; without it, write what the system says into prompt_template',
  });
export type SearchOptions = z.output<typeof searchOptions>;
