import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '#shared/errors.ts';

const evaluationSchema = z
  .object({
    em: z.number().nullish(),
    f1: z.number().nullish(),
    toolSuccess: z.number().nullish(),
    formatOk: z.number().nullish(),
    n: z.number().nullish(),
  })
  .loose();
export type Evaluation = z.infer<typeof evaluationSchema>;

/** The part of summary.json that people are shown; the coordinator writes more, which is passed over here. */
const runSummarySchema = z
  .object({
    run: z.string(),
    recipe: z.string(),
    seed: z.number(),
    wallSeconds: z.number(),
    stages: z.array(
      z
        .object({
          name: z.string(),
          kind: z.string(),
          steps: z.number(),
          rollouts: z.number(),
          groups: z.number(),
          reward: z.array(z.number().nullable()),
          eval: z.object({ before: evaluationSchema.nullish(), after: evaluationSchema.nullish() }).loose(),
        })
        .loose(),
    ),
    rollouts: z
      .object({
        published: z.number(),
        completed: z.number(),
        lost: z.number(),
        duplicated: z.number(),
        failedInfra: z.number(),
        failedData: z.number(),
      })
      .loose(),
  })
  .loose();
export type RunSummary = z.infer<typeof runSummarySchema>;

/** undefined when the run has not written one yet. */
export async function readRunSummary(runDirectory: string): Promise<RunSummary | undefined> {
  const path = join(runDirectory, 'summary.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const parsed = runSummarySchema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new TerminalError('data_loss', `${path}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'malformed'}`);
}
