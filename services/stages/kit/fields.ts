import { z } from 'zod';
import { presetNames } from '#rewards/presets.ts';
import { settableScorers } from '#rewards/scorer-catalogue.ts';
import { compositionSchema } from '#recipe/reward-parts.ts';
import { limitsSchema, samplingSchema } from '#recipe/stage-parts.ts';
import type { StageRoles } from './roles.ts';

/** Fields of a stage that several kinds have. Each kind's schema spreads what it takes. */

/** `sampled.exact_match`, `greedy.f1`, `sampled.level=3.exact_match`, `sampled.exact_match.low`, `sampled.environment.moves`, `sampled.pass@4` …. */
const gateMetricPattern =
  /^(sampled|greedy)\.(?:([a-z][a-z0-9_]*)=[A-Za-z0-9_-]+\.)?(environment\.[A-Za-z][A-Za-z0-9_]*|[a-z][a-z0-9_]*(?:@[0-9]+)?(?:\.low|\.high)?)$/;

/** The parts of a gate's metric, which its schema has checked. */
export function parseGateMetric(text: string): {
  readonly mode: 'sampled' | 'greedy';
  readonly tag: string | undefined;
  readonly name: string;
} {
  const [, mode, tag, name = text] = gateMetricPattern.exec(text) ?? [];
  return { mode: mode === 'greedy' ? 'greedy' : 'sampled', tag, name };
}

const weight = z.number().min(0).max(100);
/** A scorer with settings; absent from a recipe that does not name it, so that old recipes keep their hashes. */
const settable = <Settings extends z.ZodType>(scorer: { about: string; settings: Settings }) =>
  scorer.settings.optional().describe(scorer.about);
const settableRewards = {
  substring: settable(settableScorers.substring),
  hotpotqa_f1: settable(settableScorers.hotpotqa_f1),
  f1_floor: settable(settableScorers.f1_floor),
  answer_structure: settable(settableScorers.answer_structure),
  rl_factory: settable(settableScorers.rl_factory),
  numeric: settable(settableScorers.numeric),
  choice: settable(settableScorers.choice),
  date: settable(settableScorers.date),
  iou: settable(settableScorers.iou),
  set_f1: settable(settableScorers.set_f1),
  gold_fetched: settable(settableScorers.gold_fetched),
  gold_found: settable(settableScorers.gold_found),
  retry: settable(settableScorers.retry),
  brevity: settable(settableScorers.brevity),
  length_budget: settable(settableScorers.length_budget),
};

export const day = 24 * 3600_000;
export const milliseconds = (max: number) => z.int().min(1).max(max);

/** Of every stage. */
export const commonFields = {
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1..63 of a-z, 0-9 and -')
    .describe('Unique in the recipe.'),
  gate: z
    .strictObject({
      metric: z
        .string()
        .regex(
          gateMetricPattern,
          'must be sampled or greedy, optionally .TAG=VALUE, then .METRIC: for example sampled.reward',
        )
        .describe(
          'Metric of the evaluation after the stage: `sampled.` or `greedy.`, then `reward`, a scorer, `environment.NAME`, or `pass@K` and `avg@N` of an eval stage; `sampled.level=3.NAME` is of the rows with that tag.',
        ),
      at_least: z.number().min(-100).max(100).optional().describe('Least value.'),
      gain_at_least: z
        .number()
        .min(-100)
        .max(100)
        .optional()
        .describe('Least difference to the evaluation before the stage.'),
      on_fail: z
        .enum(['continue', 'stop', 'repeat', 'roll_back'])
        .default('continue')
        .describe('`repeat` trains the stage again, `roll_back` goes on from the policy that entered it.'),
      max_repeats: z.int().min(1).max(100).default(1).describe('Repeats before a failed gate stops the run.'),
    })
    .optional()
    .describe('What must hold to be promoted.'),
};

/** Of a stage that plays rollouts of its own: how long they may be, how they are drawn and scored. */
export const rolloutFields = {
  limits: limitsSchema,
  rewards: z
    .object({
      preset: z
        .enum(presetNames)
        .optional()
        .describe('Rewards of a published project; keys written next to it win (docs/rewards.md).'),
      exact_match: weight.optional().describe('Answer equals gold after normalisation.'),
      f1: weight.optional().describe('Token F1 against gold.'),
      tool_success: weight.optional().describe('Share of tool calls that worked.'),
      format: weight.optional().describe('Every turn is one well-formed action.'),
      xml: weight.optional().describe('Tags are balanced and in order.'),
      ...settableRewards,
    })
    .catchall(
      z.union([weight, z.object({ weight }).catchall(z.json())], 'must be a weight of 0..100, or { weight, … }'),
    )
    .describe(
      'Weights of the scorers, each of which gives 0..1, built in or declared in `scorers`. At least one is > 0; 0 records it. The scorers of the environment are recorded in any case. A scorer with settings takes a weight alone or `{ weight, … }`.',
    ),
  composition: compositionSchema.optional(),
  sampling: samplingSchema,
};

export type Gate = NonNullable<z.output<z.ZodObject<typeof commonFields>>['gate']>;

/** What evaluations and scorers read of a stage with rollouts, whatever its kind. */
export type RolloutStage = z.output<z.ZodObject<typeof rolloutFields>> & {
  readonly name: string;
  readonly deadlines: { readonly group_ms: number };
  readonly groups: { readonly attempts: number };
  readonly roles?: StageRoles | undefined;
};
