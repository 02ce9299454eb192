import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';

const scoresSchema = z.object({
  /** Means by name: of components, and `reward`. */
  metrics: z.record(z.string(), z.number()),
  n: z.number(),
});
export type Scores = z.infer<typeof scoresSchema>;

const modeSchema = scoresSchema.extend({
  /** 95 % interval of the primary metric. */
  interval: z.object({ low: z.number(), high: z.number() }).nullable(),
  /** Means of what the environment reports. */
  environment: z.record(z.string(), z.number()),
  /** What is made of several samples of a row, as `pass@4`. */
  overSamples: z.record(z.string(), z.object({ value: z.number(), low: z.number(), high: z.number() })),
  /** By the value of a tag, as `level=3`. */
  byTag: z.record(z.string(), scoresSchema),
});
export type ModeScores = z.infer<typeof modeSchema>;

const detailSchema = z.object({ sampled: modeSchema.optional(), greedy: modeSchema.optional() });
export type EvalDetail = z.infer<typeof detailSchema>;

const stageSchema = z.object({
  name: z.string(),
  kind: z.string(),
  steps: z.number(),
  rollouts: z.number(),
  groups: z.number(),
  reward: z.array(z.number()),
  /** Mean of each component in each step. */
  components: z.record(z.string(), z.array(z.number().nullable())),
  detectors: z.record(z.string(), z.number()),
  warnings: z.array(z.string()),
  eval: z.object({ before: scoresSchema.nullable(), after: scoresSchema.nullable() }),
  contextTokens: z.number(),
  gate: z.object({ passed: z.boolean(), action: z.string(), reason: z.string() }).nullable(),
  /** By name: before, after and those in between. */
  evalDetail: z.record(z.string(), detailSchema),
});

/** The part of summary.json that people are shown; what else the coordinator writes is passed over. */
const runSummarySchema = z.object({
  run: z.string(),
  recipe: z.string(),
  seed: z.number(),
  policy: z.enum(['builtin', 'scripted', 'endpoint']),
  scriptedJudges: z.array(z.string()),
  /** What is looked at first, by its name in `metrics`. */
  primaryMetric: z.string(),
  model: z.string().nullable(),
  damagedFiles: z.array(z.string()),
  wallSeconds: z.number(),
  state: z.string(),
  stages: z.array(stageSchema),
  baseline: scoresSchema.extend({ detail: detailSchema }).nullable(),
  rollouts: z.object({
    published: z.number(),
    completed: z.number(),
    lost: z.number(),
    duplicated: z.number(),
    failedInfra: z.number(),
    /** Summaries of older runs have it within `failedInfra`. */
    failedUserCode: z.number().default(0),
    failedData: z.number(),
    cancelled: z.number(),
  }),
});
export type RunSummary = z.infer<typeof runSummarySchema>;

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
  const path = join(runDirectory, 'summary.json');
  try {
    return parseRunSummary(await readFile(path, 'utf8'), path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
