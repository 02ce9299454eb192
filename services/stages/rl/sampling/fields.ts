import { z } from 'zod';

/** Fields of the samplings that follow a moving rate. */
export const rateFields = {
  metric: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe(
      "Scorer whose mean over a group is the group's rate, 0..1; by default the environment's primary metric. With 0 or 1 for an answer it is the pass rate.",
    ),
  newest_weight: z
    .number()
    .gt(0)
    .max(1)
    .default(0.5)
    .describe('Weight of the newest step in a moving rate; 1 forgets what was before.'),
};
