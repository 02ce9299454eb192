import { z } from 'zod';
import { inputPath } from '#recipe/run-parts.ts';
import { commonFields } from '../kit/fields.ts';
import { learningRateFields } from '../kit/learning-rate.ts';
import { supervised } from '../kit/objectives.ts';
import { skippedStepsFields } from '../kit/skipped-steps.ts';

const fromFile = z
  .strictObject({
    path: inputPath.describe(
      'JSON lines, relative to the recipe or `artefact:DIGEST`: `prompt` and `response`, or `segments` of kind prompt, model and environment, or `text`.',
    ),
  })
  .describe('Rows of a file.');

const fromStage = z
  .strictObject({
    stage: z
      .string()
      .min(1)
      .max(63)
      .describe('Name of an earlier stage with rollouts; its tokens are kept as they were sampled.'),
    best: z.int().min(1).max(1024).default(1).describe('Most rollouts per row, those of the highest reward.'),
    at_least: z.number().min(-1e6).max(1e6).default(1).describe('Least reward.'),
  })
  .describe('Rollouts of an earlier stage.');

export const sftSchema = z
  .strictObject({
    ...commonFields,
    kind: z.literal('sft'),
    rows: z
      .union([fromFile, fromStage], 'must be { path } or { stage, best, at_least }')
      .describe(
        'What is learnt: a file (`path`), or the best rollouts of an earlier stage (`stage`, `best`, `at_least`).',
      ),
    batch: z.int().min(1).max(65_536).default(32).describe('Rows of a step, which is one update.'),
    until: z
      .strictObject({ steps: z.int().min(0).max(1_000_000).describe('Steps of the stage.') })
      .describe('When the stage ends.'),
    ...supervised.fields,
    ...learningRateFields,
    learning_rate_schedule: learningRateFields.learning_rate_schedule.default('cosine'),
    final_learning_rate_share: learningRateFields.final_learning_rate_share.default(0.05),
    ...skippedStepsFields,
  })
  .describe('Supervised learning on rows, or on rollouts of an earlier stage; loss on what the model writes.');

export type SftStage = z.output<typeof sftSchema>;
