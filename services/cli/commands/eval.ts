import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { describeDifference } from '#recipe/compare-recipes.ts';
import { parseResolvedRecipe, resolveRecipe } from '#recipe/resolve-recipe.ts';
import type { Recipe } from '#recipe/schema.ts';
import { evalOfModel, evalOfRecipe } from '../eval/eval-recipe.ts';
import type { EvalOptions } from '../eval/eval-recipe.ts';
import { evaluationRun } from '../eval/evaluation-run.ts';
import { exitCodes } from '../exit-codes.ts';
import { fleetKey } from '#fleet/fleet-file.ts';
import { isReadable } from '../run/is-readable.ts';
import { readRunSummary } from '#run/directory/run-summary.ts';
import { withStored } from '../run/fetch-stored.ts';
import { fleetFiles, prepareInputs } from '../run/prepare-inputs.ts';
import { formatReport, judgedNone } from '../eval/format-report.ts';
import type { Terminal } from '../terminal/terminal.ts';

const estimate = z.object({
  value: z.number(),
  low: z.number(),
  high: z.number(),
  interval: z.string(),
  rows: z.number(),
});
const reportSchema = z.object({
  stage: z.string(),
  rollouts: z.object({ asked: z.number(), n: z.number(), absent: z.number() }),
  absences: z.record(z.string(), z.number()),
  absent: z.array(z.object({ component: z.string().nullable(), reason: z.string() })).default([]),
  metrics: z.record(z.string(), estimate),
  paired: z.object({ against: z.string(), better: z.number(), worse: z.number(), p: z.number() }).optional(),
});

/**
 * Evaluates a recipe's policy or a model directory. OUT gets predictions.jsonl and summary.json; the run itself lies in OUT/runs. The same
 * command again goes on with one that was stopped, and reports one that is finished.
 */
export async function evalCommand(
  recipe: string | undefined,
  options: EvalOptions & { readonly all?: boolean },
  terminal: Terminal,
): Promise<number> {
  if (options.all === true) throw new TerminalError('invalid_argument', '--all needs --rejudge DIR');
  const out = resolve(options.out);
  const { runId, home, directory } = evaluationRun(out);
  const credentials = options.credentials && resolve(options.credentials);
  const { driveRun } = await import('./drive-run.ts');
  const loaded =
    recipe === undefined ? await evalOfModel({ ...options, out }) : await evalOfRecipe(recipe, { ...options, out });
  const stages = loaded.recipe.stages.map(({ name }) => name);
  let code: number = exitCodes.ok;
  if (await isReadable(join(directory, 'recipe.json'))) {
    await requireSameRecipe(directory, loaded.recipe, options.out);
    if ((await readRunSummary(directory))?.state === 'finished') {
      terminal.err(`the evaluation in ${directory} is finished; this is its report`);
    } else {
      terminal.err(`going on with the evaluation in ${directory}`);
      const { resumeCommand } = await import('./resume.ts');
      const { store, natsUrl } = options;
      code = await resumeCommand(
        runId,
        { home, credentials, json: false, samples: !options.json, store, natsUrl },
        terminal,
      );
    }
  } else {
    code = await driveRun({
      runId,
      home,
      directory,
      resume: false,
      credentials,
      json: false,
      samples: !options.json,
      terminal,
      key: fleetKey({ recipe: loaded.recipe, paths: fleetFiles(loaded) }, loaded.file),
      resolve: async (lent, signal) => {
        const report = (line: string): void => terminal.err(line);
        const prepare = async () =>
          await prepareInputs(await withStored(loaded, { ...options, home, report, signal }), directory, report);
        return resolveRecipe(loaded.recipe, loaded.file, lent?.paths ?? (await prepare()), loaded.set);
      },
    });
  }
  if (code !== exitCodes.ok) return code;
  for (const stage of stages) {
    const to = stages.length === 1 ? out : join(out, stage);
    await mkdir(to, { recursive: true });
    for (const file of ['predictions.jsonl', 'summary.json'])
      await copyFile(join(directory, 'stages', stage, file), join(to, file));
    const text = await readFile(join(to, 'summary.json'), 'utf8');
    const report = reportSchema.parse(JSON.parse(text));
    if (options.json) terminal.out(text.trimEnd());
    else terminal.out(formatReport(report, to));
    for (const line of judgedNone(report)) {
      terminal.err(line);
      code = exitCodes.unavailable;
    }
  }
  return code;
}

/** P9: an evaluation that lies there goes on with the settings that it was begun with, so others are refused. */
async function requireSameRecipe(directory: string, recipe: Recipe, out: string): Promise<void> {
  const { recipe: begun } = parseResolvedRecipe(await readFile(join(directory, 'recipe.json'), 'utf8'));
  const difference = describeDifference(begun, recipe);
  if (difference === '') return;
  throw new TerminalError(
    'failed_precondition',
    `--out ${out}: holds an evaluation with other settings (there -> now): ${difference}; give another --out, or the settings that it was begun with`,
  );
}
