import { z } from 'zod';

/** Parts of a stage that are passed on to workers and engines. */

const hour = 3600_000;

export const limitsSchema = z
  .strictObject({
    context_tokens: z
      .int()
      .min(16)
      .max(1_048_576)
      .describe('Most tokens of the whole sequence, prompt and environment included.'),
    max_turns: z.int().min(1).max(1000).default(10).describe('Most model turns.'),
    max_new_tokens: z.int().min(1).max(1_048_576).default(512).describe('Most tokens of one turn.'),
    tool_timeout_ms: z.int().min(1).max(hour).default(5000).describe('Longest tool call.'),
    turn_timeout_ms: z
      .int()
      .min(1)
      .max(24 * hour)
      .default(30_000)
      .describe('Longest turn, generation and tool together.'),
    rollout_timeout_ms: z
      .int()
      .min(1)
      .max(24 * hour)
      .default(120_000)
      .describe('Longest rollout.'),
  })
  .describe('Bounds of one rollout.');

export const samplingSchema = z
  .strictObject({
    temperature: z.number().positive().max(10).default(1).describe('Temperature of training rollouts.'),
    top_p: z.number().positive().max(1).default(1).describe('Nucleus mass; 1 is off.'),
    top_k: z.int().min(0).max(1_000_000).default(0).describe('Keep the likeliest tokens; 0 is off.'),
  })
  .prefault({})
  .describe('How training rollouts are drawn.');
