import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { runFileNames } from './places.ts';

/** Held-out results at temperature 1 (greedy if nothing else was asked for). */
const scoresSchema = z.object({
  /** Means by name: of every component, and `reward`. What no rollout has is not there. */
  metrics: z.record(z.string(), z.number()),
  n: z.number(),
});

const modeSchema = scoresSchema.extend({
  /** 95 % interval of the primary metric; null where no rollout has it. */
  interval: z.object({ low: z.number(), high: z.number() }).nullable(),
  turns: z.number().default(0),
  truncated: z.number().default(0),
  /** Rollouts that infrastructure failed; they are not in n. */
  absent: z.number().default(0),
  /** Means of what the environment reports, by its names. */
  environment: z.record(z.string(), z.number()),
  /** What is made of several samples of a row, as `pass@4`, with 95 % intervals. */
  overSamples: z.record(z.string(), z.object({ value: z.number(), low: z.number(), high: z.number() })),
  /** By the value of a tag, as `level=3`. */
  byTag: z.record(z.string(), scoresSchema),
});

const detailSchema = z.object({
  version: z.number().default(0),
  sampled: modeSchema.exactOptional(),
  greedy: modeSchema.exactOptional(),
});

/** What the rollouts of training came to; those of evaluations are in `evalDetail`. */
const trainingSchema = z.object({
  /** Groups that were closed, without those that were not needed any more. */
  groups: z.number(),
  /** Of them, those without a signal: rewards that do not vary, or no role that is trained has spoken. */
  flatGroups: z.number(),
  /** Given up whole, for samples that were missing. */
  droppedGroups: z.number(),
  /** Samples with a reward, those whose reward is 0, and those that failed and have none. */
  rewards: z.number(),
  zeroRewards: z.number(),
  absentRewards: z.number(),
  /** Results by how they ended: a failure class, or `answered`; of repeated stages all rounds together. */
  endings: z.record(z.string(), z.number()),
  /** Id of a rollout that ended as most did. */
  typicalRollout: z.string().nullable(),
});

const stageSchema = z.object({
  name: z.string(),
  kind: z.string(),
  steps: z.number(),
  /** Steps that learned something, and as many as the recipe asks for at most; earlier versions did not write them. */
  learnedSteps: z.number().exactOptional(),
  plannedSteps: z.number().exactOptional(),
  training: trainingSchema.exactOptional(),
  rollouts: z.number(),
  groups: z.number(),
  /** Mean reward of each step. */
  reward: z.array(z.number()),
  /** Mean of the primary metric and of each scorer that the stage names, in each step; null where a step has none. */
  components: z.record(z.string(), z.array(z.number().nullable())),
  /** Share of its rollouts in which each detector of reward hacking fired; those that never did are left out. */
  detectors: z.record(z.string(), z.number()),
  /**
   * For people: where the training reward rose while a held-out or declared metric fell, at any time of the stage, and what the
   * learner left out.
   */
  warnings: z.array(z.string()),
  /** How the newest step drew its prompts, as the stage's kind says it; empty where they are drawn without looking. */
  prompts: z.record(z.string(), z.number()).default({}),
  eval: z.object({ before: scoresSchema.nullable(), after: scoresSchema.nullable() }),
  round: z.number().default(0),
  rewardWeights: z.record(z.string(), z.number()).default({}),
  /** Limits of its rollouts, and of its evaluations; 0 where it has none, turns also in older summaries. */
  contextTokens: z.number(),
  maxTurns: z.number().default(0),
  finished: z.string().nullable().default(null),
  /** Its evaluation next to that of an earlier stage: rows that are better and worse here, and the p of the exact sign test. */
  paired: z.object({ against: z.string(), better: z.number(), worse: z.number(), p: z.number() }).exactOptional(),
  gate: z.object({ passed: z.boolean(), action: z.string(), reason: z.string() }).nullable(),
  seconds: z.number().default(0),
  /** By name: before, after and those in between. */
  evalDetail: z.record(z.string(), detailSchema),
});

const totalsSchema = z.object({
  published: z.number(),
  completed: z.number(),
  failedData: z.number(),
  failedInfra: z.number(),
  /** Summaries of older runs have it within `failedInfra`. */
  failedUserCode: z.number().default(0),
  cancelled: z.number(),
  open: z.number().default(0),
  lost: z.number(),
  duplicated: z.number(),
  redundant: z.number().default(0),
  refused: z.number().default(0),
});

const inputSchema = z.object({ name: z.string(), path: z.string(), digest: z.string(), bytes: z.number() });

const acceptedSchema = z.object({
  at: z.string(),
  name: z.string(),
  path: z.string(),
  recorded: z.string().nullable(),
  found: z.string().nullable(),
});

/**
 * summary.json, as the coordinator writes it and everything else reads it. The first eight keys are its contract; the others are extras. What
 * earlier versions did not write has a default.
 */
export const runSummarySchema = z.object({
  run: z.string(),
  recipe: z.string(),
  seed: z.number(),
  /** `scripted`: no model played, so nothing here is a result. `endpoint`: the recipe's server did. */
  policy: z.string(),
  /** Judges that judged by rule, with what they knew of the answers. */
  scriptedJudges: z.array(z.string()),
  wallSeconds: z.number(),
  stages: z.array(stageSchema),
  /** Stages of the recipe that the run did not reach. */
  notRun: z.array(z.string()).default([]),
  rollouts: totalsSchema,
  /** What to look at first, by its name in `metrics`. */
  primaryMetric: z.string(),
  /** Why results were refused, the newest few. */
  refused: z.array(z.string()).default([]),
  /** Versions that stay for their held-out score, the best first (`checkpoints.keep_best`). */
  best: z
    .array(
      z.object({
        version: z.number(),
        step: z.number(),
        /** Of the evaluation, and the metric of it that decides. */
        stage: z.string(),
        metric: z.string(),
        score: z.number(),
        /** A folder that transformers loads, or its location in the fleet's store. */
        weights: z.string(),
      }),
    )
    .default([]),
  /** What was wrong with files that the learner had written, the newest few: it went on from older ones. */
  damagedFiles: z.array(z.string()),
  state: z.string(),
  message: z.string().default(''),
  recipePath: z.string().default(''),
  recipeHash: z.string().default(''),
  directory: z.string().default(''),
  steps: z.number().default(0),
  version: z.number().default(0),
  weights: z.string().default(''),
  /** The policy of a finished run as a directory that transformers loads; null where nothing was trained, or the run has not finished. */
  model: z.string().nullable(),
  updatedAt: z.string().default(''),
  /** The files that the run stands on, by content. */
  inputs: z.array(inputSchema).default([]),
  /** Those that changed, and were accepted at a resume or passed over at a takeover. */
  acceptedChanges: z.array(acceptedSchema).default([]),
  /** The untrained policy at the limits of the last stage. */
  baseline: scoresSchema.extend({ detail: detailSchema }).nullable(),
  /** The policy after the last stage that was evaluated. */
  final: scoresSchema.extend({ stage: z.string(), detail: detailSchema }).nullable().default(null),
});

type Immutable<T> = T extends readonly (infer U)[]
  ? readonly Immutable<U>[]
  : T extends object
    ? { readonly [K in keyof T]: Immutable<T[K]> }
    : T;

export type RunSummary = Immutable<z.infer<typeof runSummarySchema>>;
export type StageSummary = RunSummary['stages'][number];
export type EvalDetail = Immutable<z.infer<typeof detailSchema>>;
export type ModeScores = Immutable<z.infer<typeof modeSchema>>;
export type Scores = Immutable<z.infer<typeof scoresSchema>>;

export function parseRunSummary(text: string, path: string): RunSummary {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TerminalError('data_loss', `${path}: is not JSON; remove it, and the end of the run writes it again`, {
      cause,
    });
  }
  const parsed = runSummarySchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new TerminalError('data_loss', `${path}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'malformed'}`);
}

/** undefined when the run has not written one yet. */
export async function readRunSummary(runDirectory: string): Promise<RunSummary | undefined> {
  const path = join(runDirectory, runFileNames.summary);
  try {
    return parseRunSummary(await readFile(path, 'utf8'), path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
