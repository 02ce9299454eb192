import { z } from 'zod';
import type { ChatPart, Conversation } from '#chat/conversation.ts';
import { codecNames, thoughtRules, type CodecName, type ThoughtRule } from './codec.ts';
import { toolSchema, type Tool } from './tools.ts';

/** Options that several environments have, and what they mean. */

export const codecOption = z.enum(codecNames).default('xml').describe('How calls, results and answers are written.');

export const thinkOption = z
  .enum(thoughtRules)
  .default('violation')
  .describe(
    '`<think> … </think>` in front of a call or an answer: a `violation`; `allowed`; or `stripped`, allowed and not read by scorers. Training keeps what was sampled. With `chat`, the template begins a thought unless it is a violation.',
  );

export const maxViolationsOption = z
  .int()
  .min(0)
  .max(100)
  .default(2)
  .describe('Malformed turns that get a notice; one more ends the episode.');

export const stopOption = z.array(z.string().min(1)).max(16).default([]);

export const systemPromptOption = (mostCharacters: number) => z.string().min(1).max(mostCharacters).optional();

/** A prompt of text has no place for a system: an issue of the schema. */
export function checkSystemPrompt(
  { chat, system_prompt: prompt }: { readonly chat: boolean; readonly system_prompt?: string | undefined },
  ctx: z.RefinementCtx,
): void {
  if (chat || prompt === undefined) return;
  const message = 'needs chat: true; without it, write what the system says into prompt_template';
  ctx.addIssue({ code: 'custom', path: ['system_prompt'], message });
}

/** The messages that an episode in chat begins with; codec `hermes` lists the tools, and a thought may begin where it is no violation. */
export function openingMessages(
  system: readonly ChatPart[] | undefined,
  user: readonly ChatPart[],
  tools: readonly Tool[],
  { codec, think }: { readonly codec: CodecName; readonly think: ThoughtRule },
): Conversation {
  return {
    messages: [
      ...(system === undefined ? [] : [{ role: 'system', content: system } as const]),
      { role: 'user', content: user },
    ],
    ...(codec === 'hermes' && { tools: tools.map(toolSchema) }),
    ...(think !== 'violation' && { thinking: true }),
  };
}

/** Where the rewards of an environment of others begin and end. */
export interface RewardBounds {
  readonly reward_low: number;
  readonly reward_high: number;
}

export const rewardBounds = {
  reward_low: z.number().default(0).describe('A reward that counts as 0; less is cut to it.'),
  reward_high: z.number().default(1).describe('A reward that counts as 1; more is cut to it.'),
};

export function checkRewardBounds({ reward_low: low, reward_high: high }: RewardBounds, ctx: z.RefinementCtx): void {
  if (low >= high) ctx.addIssue({ code: 'custom', path: ['reward_high'], message: 'must be more than reward_low' });
}

/** A reward as one of 0..1. */
export function scaleReward(reward: number, { reward_low: low, reward_high: high }: RewardBounds): number {
  return Math.min(1, Math.max(0, (reward - low) / (high - low)));
}

/** Names of the worker's environment variables that a process of users' code gets. */
export const variablesOption = z.array(z.string().min(1).max(128)).max(64).default([]);

export const memoryOption = z.int().min(16).max(1_048_576);

const answer = z.union([z.string(), z.number()], 'must be text or a number');

/** Fields of a row's gold that scorers of answers read. */
export const answerFields = {
  answers: z.array(answer).min(1).optional().describe('The answer and its aliases, or the elements of a set.'),
  answer: answer.optional().describe('In the place of `answers`: the answer.'),
  aliases: z.array(answer).optional().describe('Next to `answer`: what means the same.'),
};
