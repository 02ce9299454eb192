import { z } from 'zod';
import { filePath } from '#recipe/run-parts.ts';
import { commonFields } from '../kit/fields.ts';

export const ownSchema = z
  .strictObject({
    ...commonFields,
    kind: z.literal('own'),
    path: filePath.describe(
      'TypeScript file that exports a kind of stage, relative to the recipe (docs/how-to/own-stage-kind.md).',
    ),
    options: z.record(z.string(), z.json()).default({}).describe("Settings; the file's own schema checks them."),
    takes: z
      .array(
        z.strictObject({
          stage: z.string().min(1).max(63).describe('Name of an earlier stage.'),
          artefact: z.enum(['weights', 'rows']).describe('What it left.'),
        }),
      )
      .max(64)
      .default([])
      .describe('What it takes of earlier stages.'),
  })
  .describe('A kind of your own: what the stage does is in a file of yours.');

export type OwnStage = z.output<typeof ownSchema>;
