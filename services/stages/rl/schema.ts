import { z } from 'zod';
import { inputPath } from '#recipe/run-parts.ts';
import { commonFields, rolloutFields } from '../kit/fields.ts';
import { trainingFields } from '../kit/training-fields.ts';
import { rolesField } from '../kit/roles.ts';
import { promptSamplingSchema } from './sampling/index.ts';

const ownFile = z
  .strictObject({
    path: inputPath.describe('JSON lines: id, data, gold, tags; relative to the recipe, or `artefact:DIGEST`.'),
  })
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
    ...trainingFields,
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
            'Only rows whose tags have one of these values, or a number within these bounds, by tag: `{ level: [2], pass_rate: { at_least: 0.1, at_most: 0.9 } }`.',
          ),
      })
      .prefault({})
      .describe('Which rows are asked.'),
  })
  .describe('Reinforcement learning: groups of rollouts, advantages within each, and updates of the policy.');

export type RlStage = z.output<typeof rlSchema>;
