import { z } from 'zod';
import { inputPath } from '#recipe/run-parts.ts';
import { longestWaitMs } from '#platform/runtime/fleet-bounds.ts';
import { commonFields, milliseconds } from '../kit/fields.ts';

const model = z
  .strictObject({
    stage: z
      .string()
      .min(1)
      .max(63)
      .optional()
      .describe('Name of an earlier stage that changes the policy: the policy as it was after it, its gate included.'),
    path: inputPath
      .optional()
      .describe(
        'Directory of a model, or one `.safetensors` file of the same tokenizer and config, relative to the recipe; or `artefact:DIGEST` of a store.',
      ),
    weight: z
      .number('must be a finite number')
      .min(-1000)
      .max(1000)
      .refine((value) => value !== 0, 'is 0: leave the model out')
      .default(1)
      .describe('Its share, relative to those of the others; below 0 moves away from it.'),
  })
  .refine(({ stage, path }) => (stage === undefined) !== (path === undefined), 'needs exactly one of stage and path')
  .describe('A model that is averaged: of a stage, or of files.');

export const mergeSchema = z
  .strictObject({
    ...commonFields,
    kind: z.literal('merge'),
    models: z
      .array(model)
      .min(1)
      .max(64)
      .describe(
        'What is averaged: policies of earlier stages (`stage`), or models of files (`path`), with their `weight`.',
      ),
    deadlines: z
      .strictObject({
        stage_ms: milliseconds(longestWaitMs).default(3_600_000).describe('Longest time to read and write the models.'),
      })
      .prefault({})
      .describe('When it is given up.'),
  })
  .describe('The weighted mean of models becomes the policy. One model alone: the policy begins anew from it.');

export type MergeStage = z.output<typeof mergeSchema>;
