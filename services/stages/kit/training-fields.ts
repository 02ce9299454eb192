import { z } from 'zod';
import { longestWaitMs } from '#platform/runtime/fleet-bounds.ts';
import { day, milliseconds } from './fields.ts';
import { algorithmSchema } from './objectives.ts';
import type { RolloutStage } from './fields.ts';

/** Of a stage that trains on groups of rollouts: which groups there are, what becomes of those that fail, and how they are learned from. */
export const trainingFields = {
  deadlines: z
    .strictObject({
      group_ms: milliseconds(7 * day)
        .default(300_000)
        .describe("Longest time from a group's first task to its last result."),
      step_ms: milliseconds(longestWaitMs).default(900_000).describe('Longest time to fill a batch.'),
    })
    .prefault({})
    .describe('Inner < outer: tool < turn < rollout < group < step.'),
  batch: z
    .strictObject({
      groups: z.int().min(1).max(65_536).default(16).describe('Groups (prompts) that a step trains on.'),
      group_size: z.int().min(1).max(1024).default(8).describe('Samples per prompt.'),
      max_generation_batches: z
        .int()
        .min(1)
        .max(100)
        .default(4)
        .describe('Dynamic sampling opens at most this many times `groups`.'),
      on_short: z
        .enum(['smaller', 'error'])
        .default('smaller')
        .describe('When that was not enough: train on fewer groups, or end the run.'),
    })
    .prefault({})
    .describe('What a step trains on.'),
  groups: z
    .strictObject({
      on_deadline: z
        .enum(['retry', 'shrink', 'drop'])
        .default('retry')
        .describe('What happens to a group that is not whole at its deadline.'),
      min_group: z.int().min(1).max(1024).default(2).describe('Fewest samples of a shrunk group.'),
      attempts: z
        .int()
        .min(1)
        .max(100)
        .default(3)
        .describe('Times one sample is asked for when infrastructure fails; then it is absent.'),
      straggler_after: z
        .number()
        .min(1)
        .max(100)
        .optional()
        .describe(
          "When the last eighth of a group takes this many times its median sample's time, it is asked for once more; the first answer counts.",
        ),
      max_infrastructure_failures: z
        .number()
        .min(0)
        .max(1)
        .default(0.5)
        .describe(
          "Share of a step's rollouts that may be absent after all attempts; more ends the run, which can be resumed.",
        ),
      max_data_failures: z
        .number()
        .min(0)
        .max(1)
        .default(1)
        .describe(
          "Share of a step's rollouts that may end by a fault of the policy, for example malformed; more ends the run.",
        ),
    })
    .prefault({})
    .describe('Groups stay whole; this is what happens when they cannot.'),
  algorithm: algorithmSchema,
  max_staleness: z
    .int()
    .min(0)
    .max(64)
    .default(0)
    .describe(
      'Policy versions that a sample may be behind the one that is trained with it. 0 is synchronous; with n, up to n + 1 batches are gathered while one is trained.',
    ),
};

/** What `StageContext.trainOnRollouts` reads of a stage, whatever its kind. */
export type TrainingStage = RolloutStage & z.output<z.ZodObject<typeof trainingFields>> & { readonly kind: string };
