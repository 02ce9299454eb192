import { z } from 'zod';
import { longestWaitMs } from '#shared/runtime/fleet-bounds.ts';
import { filePath } from '#shared/recipe/run-parts.ts';
import { algorithmSchema } from '#shared/recipe/stage-parts.ts';
import { commonFields, day, milliseconds, rolloutFields } from '../kit/fields.ts';
import { rolesField } from '../kit/roles.ts';
import { promptSamplingSchema } from './sampling/index.ts';

const ownFile = z
  .strictObject({ path: filePath.describe('JSON lines: id, data, gold, tags; relative to the recipe.') })
  .describe('Rows of a file.');

const fromStage = z
  .strictObject({
    stage: z
      .string()
      .min(1)
      .max(63)
      .describe(
        'Name of an earlier stage that leaves rows; those of an `eval` stage have their pass rate as tag `pass_rate`.',
      ),
  })
  .describe('Rows that an earlier stage left.');

export const rlSchema = z
  .strictObject({
    ...commonFields,
    // Optional inside, so that a stage without a kind finds its schema.
    kind: z.literal('rl').optional().default('rl'),
    ...rolloutFields,
    roles: rolesField,
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
    until: z
      .strictObject({
        steps: z.int().min(0).max(1_000_000).describe('Most steps of the stage.'),
        plateau: z
          .strictObject({
            window_steps: z
              .int()
              .min(1)
              .max(10_000)
              .default(5)
              .describe('Steps in each of the two windows that are compared.'),
            min_delta: z
              .number()
              .min(0)
              .max(100)
              .default(0.01)
              .describe('It has to rise by this from one window to the next.'),
            metric: z
              .string()
              .min(1)
              .max(64)
              .default('reward')
              .describe('What has to rise: `reward`, or a component by its name; the mean over a step.'),
          })
          .optional()
          .describe('End early when the mean reward, or `metric`, no longer rises.'),
        budget: z
          .strictObject({
            minutes: z.number().positive().max(1_000_000).optional().describe('Time in the stage.'),
            rollouts: z.int().min(1).max(1_000_000_000).optional().describe('Training rollouts in the stage.'),
          })
          .optional()
          .describe('End early when this is used up.'),
      })
      .describe('When the stage ends.'),
    prompts: z
      .strictObject({
        sampling: promptSamplingSchema.prefault({ kind: 'uniform' }).describe('How rows are drawn.'),
        rows: z
          .union([ownFile, fromStage], 'must be { path } or { stage }')
          .optional()
          .describe(
            'Rows of the stage alone, in the place of the training rows: a file of rows in the plain form (`path`), or what an earlier stage left (`stage`).',
          ),
        where: z
          .record(
            z.string().min(1).max(64),
            z.union(
              [
                z
                  .array(z.union([z.string().max(64), z.int().min(-1_000_000_000).max(1_000_000_000)]))
                  .min(1)
                  .max(100),
                z.strictObject({
                  at_least: z.number().min(-1e9).max(1e9).optional(),
                  at_most: z.number().min(-1e9).max(1e9).optional(),
                }),
              ],
              'must be a list of values, or { at_least, at_most }',
            ),
          )
          .default({})
          .describe(
            'Only rows whose tags have one of these values, or a number within these bounds, by tag: `{ hops: [2], pass_rate: { at_least: 0.1, at_most: 0.9 } }`.',
          ),
      })
      .prefault({})
      .describe('Which rows are asked.'),
  })
  .describe('Reinforcement learning: groups of rollouts, advantages within each, and updates of the policy.');

export type RlStage = z.output<typeof rlSchema>;
