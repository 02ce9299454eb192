import { z } from 'zod';
import type { RecipeIssue } from '#recipe/check-recipe.ts';

/** How the learning rate of a stage goes on from its own first step, whatever stages came before. */
export const learningRateFields = {
  warmup_steps: z
    .int()
    .min(0)
    .max(1_000_000)
    .default(0)
    .describe("Steps, from the stage's first, over which the learning rate rises to its value."),
  learning_rate_schedule: z
    .enum(['constant', 'linear', 'cosine'])
    .default('constant')
    .describe('What the learning rate does after the warm-up, until the last of `until.steps`.'),
  final_learning_rate_share: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('Share of the learning rate to which `linear` and `cosine` fall.'),
};

type Schedule = z.output<z.ZodObject<typeof learningRateFields>> & { readonly learning_rate: number };

/** Linear warm-up, then the schedule. `step` counts from 0, in a stage of at most `steps`. */
export function learningRateAt(schedule: Schedule, step: number, steps: number): number {
  const { learning_rate: peak, warmup_steps: warmup, final_learning_rate_share: share } = schedule;
  if (step < warmup) return (peak * (step + 1)) / warmup;
  const progress = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
  switch (schedule.learning_rate_schedule) {
    case 'constant':
      return peak;
    case 'linear':
      return peak * (1 - (1 - share) * progress);
    case 'cosine':
      return peak * (share + (1 - share) * 0.5 * (1 + Math.cos(Math.PI * progress)));
  }
}

/** Of a stage that ends after `until.steps`. */
export function checkWarmup(stage: {
  readonly warmup_steps: number;
  readonly until: { readonly steps: number };
}): RecipeIssue[] {
  if (stage.warmup_steps === 0 || stage.warmup_steps < stage.until.steps) return [];
  const message = `must be less than until.steps (${stage.until.steps})`;
  return [{ path: ['warmup_steps'], message, value: stage.warmup_steps }];
}
