import { z } from 'zod';
import { longestWaitMs } from '#platform/runtime/fleet-bounds.ts';
import { commonFields, day, milliseconds, rolloutFields } from '../kit/fields.ts';

export const evalSchema = z
  .strictObject({
    ...commonFields,
    kind: z.literal('eval'),
    ...rolloutFields,
    prompts: z
      .strictObject({
        of: z.enum(['held_out', 'train', 'all']).default('held_out').describe('Which rows of `data` are asked.'),
        limit: z
          .int()
          .min(1)
          .max(1_000_000)
          .optional()
          .describe('Most rows, the first of a seeded order; all by default.'),
      })
      .prefault({})
      .describe('What is asked.'),
    samples: z.int().min(1).max(1024).default(1).describe('Rollouts per row, drawn as `sampling` says.'),
    greedy: z.boolean().default(false).describe('Draw the likeliest tokens instead; `samples` is 1 then.'),
    pass_at: z
      .array(z.int().min(1).max(1024))
      .min(1)
      .max(16)
      .optional()
      .describe(
        'The k of pass@k, each at most `samples`; by default the powers of two up to `samples`, and `samples`.',
      ),
    success: z
      .strictObject({
        metric: z
          .string()
          .min(1)
          .max(64)
          .optional()
          .describe("Component that decides, or `reward`; by default the environment's primary metric."),
        at_least: z.number().min(-1e6).max(1e6).default(1).describe('Least value of a success.'),
      })
      .prefault({})
      .describe('What pass@k counts.'),
    against: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .describe(
        "An earlier stage of this kind with the same `success` and `prompts`: the report then has how many rows are better and worse than there, and the p of the exact sign test (McNemar's, with one sample a row).",
      ),
    deadlines: z
      .strictObject({
        group_ms: milliseconds(7 * day)
          .default(600_000)
          .describe("Longest time from a row's first task to its last result."),
        stage_ms: milliseconds(longestWaitMs)
          .default(day)
          .describe('Longest time of the stage; what is missing then is absent.'),
      })
      .prefault({})
      .describe('Inner < outer: tool < turn < rollout < group < stage.'),
    groups: z
      .strictObject({
        attempts: z
          .int()
          .min(1)
          .max(100)
          .default(3)
          .describe('Times one sample is asked for when infrastructure fails; then it is absent.'),
      })
      .prefault({})
      .describe('What happens when samples fail.'),
  })
  .describe('Evaluation: predictions, pass@k and avg@n of the policy as it is. Needs no learner.');

export type EvalStage = z.output<typeof evalSchema>;

/** What a success is, written out: `primaryMetric` is the environment's. */
export function successOf({ success }: EvalStage, primaryMetric: string): Success {
  return { metric: success.metric ?? primaryMetric, at_least: success.at_least };
}

export interface Success {
  readonly metric: string;
  readonly at_least: number;
}
