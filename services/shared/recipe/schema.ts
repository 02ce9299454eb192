import { z } from 'zod';
import { presetNames } from '../rewards/presets.ts';
import { settableScorers } from '../rewards/scorer-catalogue.ts';
import { compositionSchema, declaredScorersSchema, judgesSchema } from './reward-parts.ts';
import {
  checkpointsSchema,
  dataSchema,
  environmentSchema,
  evalSchema,
  filePath,
  fleetSchema,
  retrievalSchema,
} from './run-parts.ts';
import { algorithmSchema, limitsSchema, samplingSchema } from './stage-parts.ts';

/** `sampled.em`, `greedy.f1`, `sampled.hop3.em`, `sampled.correct` …; which names a stage records is checked with the stage. */
const gateMetricPattern = /^(sampled|greedy)\.(hop[0-9]\.)?[a-z][a-z0-9_]*$/;

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
  overlong: settable(settableScorers.overlong),
  length_budget: settable(settableScorers.length_budget),
};
const milliseconds = (max: number) => z.int().min(1).max(max);
const day = 24 * 3600_000;

const stageSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1..63 of a-z, 0-9 and -')
      .describe('Unique in the recipe.'),
    kind: z.enum(['rl']).default('rl').describe('`rl`: reinforcement learning.'),
    limits: limitsSchema,
    deadlines: z
      .strictObject({
        group_ms: milliseconds(7 * day)
          .default(300_000)
          .describe("Longest time from a group's first task to its last result."),
        step_ms: milliseconds(30 * day)
          .default(900_000)
          .describe('Longest time to fill a batch.'),
      })
      .prefault({})
      .describe('Inner < outer: tool < turn < rollout < group < step.'),
    rewards: z
      .object({
        preset: z
          .enum(presetNames)
          .optional()
          .describe('Rewards of a published project; keys written beside it win (docs/rewards.md).'),
        exact_match: weight.default(0).describe('Answer equals gold after normalisation.'),
        f1: weight.default(0).describe('Token F1 against gold.'),
        tool_success: weight.default(0).describe('Share of tool calls that worked.'),
        format: weight.default(0).describe('Every turn is one well-formed action.'),
        xml: weight.default(0).describe('Tags are balanced and in order.'),
        ...settableRewards,
      })
      .catchall(
        z.union([weight, z.object({ weight }).catchall(z.json())], 'must be a weight of 0..100, or { weight, … }'),
      )
      .describe(
        'Weights of the scorers, each of which gives 0..1, built in or declared in `scorers`. At least one is > 0. A scorer with settings takes a weight alone or `{ weight, … }`.',
      ),
    composition: compositionSchema.optional(),
    batch: z
      .strictObject({
        groups: z.int().min(1).max(65_536).default(16).describe('Groups (prompts) that a step trains on.'),
        group_size: z.int().min(1).max(1024).default(8).describe('Samples per prompt.'),
        max_generation_batches: z
          .int()
          .min(1)
          .max(100)
          .default(4)
          .describe('Dynamic sampling opens at most this many times `groups`.'),
        on_short: z
          .enum(['smaller', 'error'])
          .default('smaller')
          .describe('When that was not enough: train on fewer groups, or end the run.'),
      })
      .prefault({})
      .describe('What a step trains on.'),
    groups: z
      .strictObject({
        on_deadline: z
          .enum(['retry', 'shrink', 'drop'])
          .default('retry')
          .describe('What happens to a group that is not whole at its deadline.'),
        min_group: z.int().min(1).max(1024).default(2).describe('Fewest samples of a shrunk group.'),
        attempts: z
          .int()
          .min(1)
          .max(100)
          .default(3)
          .describe('Times one sample is asked for when infrastructure fails; then it is absent.'),
        straggler_after: z
          .number()
          .min(1)
          .max(100)
          .optional()
          .describe(
            "When the last eighth of a group takes this many times its median sample's time, it is asked for once more; the first answer counts.",
          ),
        max_infrastructure_failures: z
          .number()
          .min(0)
          .max(1)
          .default(0.5)
          .describe(
            "Share of a step's rollouts that may be absent after all attempts; more ends the run, which can be resumed.",
          ),
        max_data_failures: z
          .number()
          .min(0)
          .max(1)
          .default(1)
          .describe(
            "Share of a step's rollouts that may end by a fault of the policy, for example malformed; more ends the run.",
          ),
      })
      .prefault({})
      .describe('Groups stay whole; this is what happens when they cannot.'),
    sampling: samplingSchema,
    algorithm: algorithmSchema,
    max_staleness: z
      .int()
      .min(0)
      .max(64)
      .default(0)
      .describe(
        'Policy versions that a sample may be behind the one that is trained with it. 0 is synchronous; with n, up to n + 1 batches are gathered while one is trained.',
      ),
    until: z
      .strictObject({
        steps: z.int().min(0).max(1_000_000).describe('Most steps of the stage.'),
        plateau: z
          .strictObject({
            window_steps: z
              .int()
              .min(1)
              .max(10_000)
              .default(5)
              .describe('Steps in each of the two windows that are compared.'),
            min_delta: z
              .number()
              .min(0)
              .max(100)
              .default(0.01)
              .describe('Mean reward has to rise by this from one window to the next.'),
          })
          .optional()
          .describe('End early when the mean reward no longer rises.'),
        budget: z
          .strictObject({
            minutes: z.number().positive().max(1_000_000).optional().describe('Time in the stage.'),
            rollouts: z.int().min(1).max(1_000_000_000).optional().describe('Training rollouts in the stage.'),
          })
          .optional()
          .describe('End early when this is used up.'),
      })
      .describe('When the stage ends.'),
    gate: z
      .strictObject({
        metric: z
          .string()
          .regex(gateMetricPattern, 'must be sampled|greedy, optionally .hopN, then a metric: for example sampled.em')
          .describe(
            'Metric of the evaluation after the stage: em, f1, tool_success, format_ok, reward, or a scorer of the stage.',
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
    prompts: z
      .strictObject({
        sampling: z.enum(['uniform']).default('uniform').describe('Shuffled epochs without replacement.'),
        hops: z
          .array(z.int().min(0).max(100))
          .min(1)
          .max(100)
          .optional()
          .describe('Only questions with these numbers of facts to join.'),
      })
      .prefault({})
      .describe('Which questions are asked.'),
  })
  .describe('One step of the climb.');

export const recipeSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1..63 of a-z, 0-9 and -')
      .describe('Name of the recipe.'),
    seed: z
      .int()
      .min(0)
      .max(2 ** 31 - 1)
      .default(1)
      .describe('Seed of prompts, sampling and training.'),
    model: z
      .strictObject({
        path: filePath.describe(
          'Directory with config.json, model.safetensors and tokenizer.json, relative to the recipe.',
        ),
        source: z.string().min(1).max(512).optional().describe('Where the weights come from; for people.'),
      })
      .describe('The policy that is trained; version 0.'),
    data: dataSchema,
    environment: environmentSchema.prefault({}),
    retrieval: retrievalSchema.prefault({}),
    fleet: fleetSchema.prefault({}),
    eval: evalSchema.prefault({}),
    checkpoints: checkpointsSchema.prefault({}),
    judges: judgesSchema.optional(),
    scorers: declaredScorersSchema.optional(),
    stages: z
      .array(stageSchema)
      .min(1)
      .max(64)
      .describe('Run in order; each starts from the policy of the one before.'),
  })
  .describe('A run from base model to final checkpoint.');

export type Recipe = z.output<typeof recipeSchema>;
export type StageRecipe = Recipe['stages'][number];
