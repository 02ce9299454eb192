import { readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { readFleetFile } from '#fleet/fleet-file.ts';
import { parseResolvedRecipe, type ResolvedRecipe } from '#recipe/resolve-recipe.ts';
import { judgedScorers, type JudgedScorer, type Named } from '#recipe/stage-scorers.ts';
import { runFileNames } from '#run/directory/places.ts';
import { readRunSummary } from '#run/directory/run-summary.ts';
import { evaluationRun } from '../eval/evaluation-run.ts';
import { isReadable } from '../run/is-readable.ts';
import type { StageRecipe } from '#recipe/schema.ts';

export type EvalStage = Extract<StageRecipe, { kind: 'eval' }>;

/** An eval stage that judges have a part in, and what it left. */
export interface JudgedStage {
  readonly stage: EvalStage;
  readonly judged: readonly Named<JudgedScorer>[];
  /** Absolute; the run's own predictions.jsonl of the stage. */
  readonly predictions: string;
}

export interface FoundEvaluation {
  /** Absolute; where its streams lie. */
  readonly home: string;
  readonly runId: string;
  readonly directory: string;
  readonly resolved: ResolvedRecipe;
  readonly stages: readonly JudgedStage[];
  /** How many eval stages of the recipe there are: one alone has its files in the folder itself. */
  readonly evalStages: number;
}

/**
 * The evaluation in the `--out` folder of `gradus eval`, or that of a run in the run's own folder. Throws TerminalError where there is none, where
 * it still runs, and where no judge has a part in it.
 */
export async function findEvaluation(given: string): Promise<FoundEvaluation> {
  const where = `--rejudge ${given}`;
  const directory = await runDirectory(resolve(given));
  if (directory === undefined)
    throw new TerminalError(
      'not_found',
      `${where}: holds no evaluation; give the --out folder of 'gradus eval', or the folder of a run with eval stages`,
    );
  const resolved = parseResolvedRecipe(await readFile(join(directory, runFileNames.recipe), 'utf8'));
  const home = dirname(directory);
  const runId = basename(directory);
  await requireEnded(where, home, directory);
  const evals = resolved.recipe.stages.filter((stage) => stage.kind === 'eval');
  const judged = evals.flatMap((stage) => {
    const scorers = judgedScorers(resolved.recipe, stage);
    const predictions = join(directory, 'stages', stage.name, 'predictions.jsonl');
    return scorers.length === 0 ? [] : [{ stage, judged: scorers, predictions }];
  });
  if (judged.length === 0)
    throw new TerminalError(
      'failed_precondition',
      `${where}: no judge has a part in it: none of its eval stages names a scorer of kind grade or rubric in its rewards; evaluate with --judge URL --judge-model NAME, or declare one in the recipe`,
    );
  const present = await Promise.all(judged.map(async ({ predictions }) => await isReadable(predictions)));
  const stages = judged.filter((_stage, index) => present[index]);
  if (stages.length > 0) return { home, runId, directory, resolved, stages, evalStages: evals.length };
  throw new TerminalError(
    'failed_precondition',
    `${where}: none of its judged stages has finished; go on with it first: the same 'gradus eval' command, or 'gradus resume ${runId} --home ${home}'`,
  );
}

async function runDirectory(given: string): Promise<string | undefined> {
  for (const directory of [given, evaluationRun(given).directory])
    if (await isReadable(join(directory, runFileNames.recipe))) return directory;
  return undefined;
}

async function requireEnded(where: string, home: string, directory: string): Promise<void> {
  if ((await readRunSummary(directory))?.state === 'finished') return;
  const fleet = await readFleetFile(home);
  if (fleet === undefined) return;
  throw new TerminalError(
    'failed_precondition',
    `${where}: it has not finished, and its fleet runs (${fleet.owner === 'up' ? 'gradus up' : `for ${fleet.recipePath}`}); wait for its end, or stop it with 'gradus stop --home ${home}'`,
  );
}
