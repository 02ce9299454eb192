import { z } from 'zod';
import { baseConfig } from '#shared/runtime/config.ts';

export const scriptedLearnerConfig = baseConfig.extend({
  stepMs: z
    .int()
    .min(0)
    .max(3_600_000)
    .default(0)
    .describe('Time that a training step takes beyond reading its samples, in milliseconds.'),
});

export type ScriptedLearnerConfig = z.infer<typeof scriptedLearnerConfig>;
