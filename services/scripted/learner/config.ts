import { z } from 'zod';
import { rootsField, rootsOfRemote } from '#platform/files/check-roots.ts';
import { baseConfig } from '#platform/runtime/config.ts';

export const scriptedLearnerConfig = baseConfig
  .extend({
    roots: rootsField,
    stepMs: z
      .int()
      .min(0)
      .max(3_600_000)
      .default(0)
      .describe('Time that a training step takes beyond reading its samples, in milliseconds.'),
  })
  .check(rootsOfRemote);

export type ScriptedLearnerConfig = z.infer<typeof scriptedLearnerConfig>;
