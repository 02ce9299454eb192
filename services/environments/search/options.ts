import { z } from 'zod';
import {
  checkSystemPrompt,
  codecOption,
  maxViolationsOption,
  systemPromptOption,
  thinkOption,
} from '../kit/options.ts';

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
    system_prompt: systemPromptOption(16_384).describe('Message of the system; needs `chat: true`.'),
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
    codec: codecOption,
    think: thinkOption,
    max_violations: maxViolationsOption,
  })
  .superRefine(checkSystemPrompt);
export type SearchOptions = z.output<typeof searchOptions>;
