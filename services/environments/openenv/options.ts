import { z } from 'zod';
import { checkRewardBounds, codecOption, maxViolationsOption, rewardBounds, stopOption } from '../kit/options.ts';

const address = z
  .string()
  .regex(/^(wss?|https?):\/\/[^\s]+$/, 'must be an address such as http://127.0.0.1:8000 or wss://host/ws')
  .refine((text) => URL.canParse(text), 'is no address');

export const openenvOptions = z
  .strictObject({
    urls: z
      .array(address)
      .min(1)
      .max(256)
      .describe('Servers, one or several alike. Episodes are spread over them; `/ws` is added where it is missing.'),
    action: z
      .enum(['text', 'tools'])
      .default('text')
      .describe(
        'What a turn is: `text`, sent whole as one field of the action; `tools`, a call of one of the tools that the server lists, or an answer.',
      ),
    text_field: z
      .string()
      .min(1)
      .default('message')
      .describe('Field of the action that gets the text of the turn. Only for `text`.'),
    action_fields: z
      .record(z.string(), z.json())
      .default({})
      .describe('More fields of each action, the same for all. Only for `text`.'),
    stop: stopOption.describe(
      'A turn ends at one of these, which is not sent. Only for `text`; for `tools` the codec has its own.',
    ),
    prompt_template: z
      .string()
      .min(1)
      .max(65_536)
      .default('{observation}')
      .describe(
        'First prompt: `{observation}` is what reset gave, `{tools}` the list of tools, `{row.NAME}` a field of the row.',
      ),
    result_template: z
      .string()
      .min(1)
      .max(65_536)
      .refine((text) => text.includes('{observation}'), 'must contain {observation}')
      .default('\n{observation}\n')
      .describe('What follows a turn. Only for `text`.'),
    observation: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Field of the observation that the policy reads, `a.b` for one within another; absent: all of it as JSON, without its metadata.',
      ),
    max_observation_characters: z
      .int()
      .min(20)
      .max(10_000_000)
      .default(20_000)
      .describe('Most characters of an observation that the policy reads; a cut is marked in the text.'),
    codec: codecOption.describe('How calls, results and answers are written. Only for `tools`.'),
    max_violations: maxViolationsOption.describe(
      'Turns that the format or the server refuses and that get a notice; one more ends the episode.',
    ),
    max_tools: z.int().min(1).max(1024).default(64).describe('Most tools that a server may list. Only for `tools`.'),
    max_steps: z
      .int()
      .min(1)
      .optional()
      .describe(
        'The episode is over after so many steps, with the reward so far; absent: when the server says done, or at limits.max_turns, where it has no reward.',
      ),
    reward: z
      .enum(['last', 'sum', 'max', 'none'])
      .default('last')
      .describe(
        'What `environment_reward` is made of: the rewards of the steps. `none`: the server gives none, and scorers judge.',
      ),
    ...rewardBounds,
    max_message_bytes: z
      .int()
      .min(1024)
      .max(64 * 2 ** 20)
      .default(2 ** 20)
      .describe('Largest message of a server; one that sends more loses the session.'),
  })
  .superRefine(checkRewardBounds);
export type OpenenvOptions = z.output<typeof openenvOptions>;
