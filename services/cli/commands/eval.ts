import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { resolveRecipe } from '#shared/recipe/resolve-recipe.ts';
import { evalOfModel, evalOfRecipe } from '../eval/eval-recipe.ts';
import type { EvalOptions } from '../eval/eval-recipe.ts';
import { exitCodes } from '../exit-codes.ts';
import { fleetKey } from '../fleet/fleet-file.ts';
import { isReadable } from '../run/is-readable.ts';
import { fleetFiles, prepareInputs } from '../run/prepare-inputs.ts';
import { tableLines } from '../terminal/table.ts';
import type { Terminal } from '../terminal/terminal.ts';

const runId = 'eval';
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
  metrics: z.record(z.string(), estimate),
});

/**
 * Evaluates a recipe's policy or a model directory. OUT gets predictions.jsonl and summary.json; the run itself lies in OUT/runs. The same
 * command again goes on with one that was stopped.
 */
export async function evalCommand(
  recipe: string | undefined,
  options: EvalOptions,
  terminal: Terminal,
): Promise<number> {
  const out = resolve(options.out);
  const home = join(out, 'runs');
  const directory = join(home, runId);
  const { driveRun } = await import('./drive-run.ts');
  let code: number;
  let stages: string[];
  if (await isReadable(join(directory, 'recipe.json'))) {
    terminal.err(`going on with the evaluation in ${directory}`);
    const { resumeCommand } = await import('./resume.ts');
    code = await resumeCommand(runId, { home, json: false }, terminal);
    const recorded = z
      .object({ recipe: z.object({ stages: z.array(z.object({ name: z.string() })) }) })
      .parse(JSON.parse(await readFile(join(directory, 'recipe.json'), 'utf8')));
    stages = recorded.recipe.stages.map(({ name }) => name);
  } else {
    await mkdir(out, { recursive: true });
    const loaded =
      recipe === undefined ? await evalOfModel({ ...options, out }) : await evalOfRecipe(recipe, { ...options, out });
    stages = loaded.recipe.stages.map(({ name }) => name);
    code = await driveRun({
      runId,
      home,
      directory,
      resume: false,
      json: false,
      terminal,
      key: fleetKey({ recipe: loaded.recipe, paths: fleetFiles(loaded) }, loaded.file),
      resolve: async (lent) =>
        resolveRecipe(
          loaded.recipe,
          loaded.file,
          lent?.paths ?? (await prepareInputs(loaded, directory, (note) => terminal.err(note))),
          loaded.set,
        ),
    });
  }
  if (code !== exitCodes.ok) return code;
  for (const stage of stages) {
    const to = stages.length === 1 ? out : join(out, stage);
    await mkdir(to, { recursive: true });
    for (const file of ['predictions.jsonl', 'summary.json'])
      await copyFile(join(directory, 'stages', stage, file), join(to, file));
    const text = await readFile(join(to, 'summary.json'), 'utf8');
    if (options.json) terminal.out(text.trimEnd());
    else terminal.out(formatReport(reportSchema.parse(JSON.parse(text)), to));
  }
  return code;
}

function formatReport({ stage, rollouts, absences, metrics }: z.infer<typeof reportSchema>, to: string): string[] {
  const rows = Object.entries(metrics).map(([name, { value, low, high, interval, rows: n }]) => [
    name,
    value.toFixed(3),
    `${low.toFixed(3)}..${high.toFixed(3)}`,
    interval,
    `${n}`,
  ]);
  const why = Object.entries(absences).map(([reason, count]) => `${count} ${reason}`);
  return [
    `${stage}: ${rollouts.n} of ${rollouts.asked} rollouts came back, ${rollouts.absent} absent${why.length > 0 ? ` (${why.join(', ')})` : ''}`,
    ...tableLines(rows, {
      head: ['metric', 'value', '95 % interval', 'kind', 'rows'],
      compact: true,
      align: ['left', 'right', 'left', 'left', 'right'],
    }),
    `predictions.jsonl and summary.json in ${to}`,
  ];
}
