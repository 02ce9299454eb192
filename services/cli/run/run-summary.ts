import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '#shared/errors.ts';

const scoresSchema = z.object({
  em: z.number(),
  f1: z.number(),
  toolSuccess: z.number(),
  formatOk: z.number(),
  n: z.number(),
});
export type Scores = z.infer<typeof scoresSchema>;

const modeSchema = scoresSchema.extend({
  /** 95 % interval of em. */
  emLow: z.number(),
  emHigh: z.number(),
  reward: z.number().optional(),
  /** Absent in summaries of earlier versions. */
  components: z.record(z.string(), z.number()).default({}),
  byHop: z.record(z.string(), scoresSchema),
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
  /** Mean of each component in each step; absent in summaries of earlier versions. */
  components: z.record(z.string(), z.array(z.number().nullable())).default({}),
  /** Absent in summaries of earlier versions, as are warnings. */
  detectors: z.record(z.string(), z.number()).default({}),
  warnings: z.array(z.string()).default([]),
  eval: z.object({ before: scoresSchema.nullable(), after: scoresSchema.nullable() }),
  contextTokens: z.number().optional(),
  gate: z.object({ passed: z.boolean(), action: z.string(), reason: z.string() }).nullish(),
  /** By name: before, after and those in between. */
  evalDetail: z.record(z.string(), detailSchema).optional(),
});

/** The part of summary.json that people are shown; what else the coordinator writes is passed over. */
const runSummarySchema = z.object({
  run: z.string(),
  recipe: z.string(),
  seed: z.number(),
  policy: z.enum(['builtin', 'scripted']).default('builtin'),
  /** Absent in summaries of earlier versions. */
  scriptedJudges: z.array(z.string()).default([]),
  wallSeconds: z.number(),
  state: z.string().optional(),
  stages: z.array(stageSchema),
  baseline: scoresSchema.extend({ detail: detailSchema }).nullish(),
  rollouts: z.object({
    published: z.number(),
    completed: z.number(),
    lost: z.number(),
    duplicated: z.number(),
    failedInfra: z.number(),
    failedData: z.number(),
    /** Absent in summaries of earlier versions. */
    cancelled: z.number().default(0),
  }),
});
export type RunSummary = z.infer<typeof runSummarySchema>;

export function parseRunSummary(text: string, path: string): RunSummary {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TerminalError('data_loss', `${path}: is no JSON; remove it, and the end of the run writes it again`, {
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
