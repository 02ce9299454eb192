import { z } from 'zod';
import { inputPath } from '#recipe/run-parts.ts';
import { commonFields } from '../kit/fields.ts';
import { learningRateFields } from '../kit/learning-rate.ts';
import { preference } from '../kit/objectives.ts';
import { skippedStepsFields } from '../kit/skipped-steps.ts';

export const dpoSchema = z
  .strictObject({
    ...commonFields,
    kind: z.literal('dpo'),
    rows: z
      .strictObject({
        path: inputPath.describe('JSON lines, relative to the recipe: `prompt`, `chosen` and `rejected`, each a text.'),
      })
      .describe('Pairs of answers, of which one is preferred.'),
    batch: z.int().min(1).max(32_768).default(32).describe('Pairs of a step, which is one update.'),
    until: z
      .strictObject({ steps: z.int().min(0).max(1_000_000).describe('Steps of the stage.') })
      .describe('When the stage ends.'),
    ...preference.fields,
    ...learningRateFields,
    ...skippedStepsFields,
  })
  .describe(
    'Direct preference optimisation: learns from pairs of answers, held to the policy that entered the stage (DPO, IPO).',
  );

export type DpoStage = z.output<typeof dpoSchema>;
