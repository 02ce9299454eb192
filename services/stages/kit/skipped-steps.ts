import { z } from 'zod';

/** Steps of a stage of which no update had a finite gradient: weights and optimiser are as before, and the batch is used up. */
export const skippedStepsFields = {
  max_skipped_steps: z
    .int()
    .min(1)
    .max(1000)
    .default(3)
    .describe(
      'Steps in a row without a finite update, at which the run ends as failed, with the weights of the last step that had one.',
    ),
};
