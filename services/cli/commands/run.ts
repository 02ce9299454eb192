import { join, resolve } from 'node:path';
import { TerminalError } from '#shared/errors.ts';
import { locateInputs, resolveRecipe } from '#shared/recipe/resolve-recipe.ts';
import { unsupportedParts } from '#shared/recipe/unsupported-parts.ts';
import { exitCodes } from '../exit-codes.ts';
import { fleetKey } from '../fleet/fleet-file.ts';
import { countRows } from '../data/write-rows.ts';
import {
  fleetFiles,
  loadRecipe,
  missingModelFiles,
  prepareInputs,
  rowChecks,
  rowFiles,
} from '../run/prepare-inputs.ts';
import { isReadable } from '../run/is-readable.ts';
import type { LoadedRecipe } from '../run/prepare-inputs.ts';
import { rewardProblems } from '../run/reward-inputs.ts';
import { formatPlan, planRun } from '../run/run-plan.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface RunOptions {
  readonly seed?: number;
  readonly dryRun: boolean;
  readonly runId?: string;
  readonly home: string;
  readonly json: boolean;
}

export async function runCommand(recipePath: string, options: RunOptions, terminal: Terminal): Promise<number> {
  const loaded = await loadRecipe(recipePath, options.seed);
  if (options.dryRun) return await dryRun(loaded, options, terminal);
  const unsupported = unsupportedParts(loaded.recipe);
  if (unsupported.length > 0) {
    throw new TerminalError(
      'invalid_argument',
      `${recipePath} cannot be run by this version:\n${unsupported.join('\n')}`,
    );
  }
  const home = resolve(options.home);
  const runId = options.runId ?? newRunId(loaded.recipe.name, new Date());
  const directory = join(home, runId);
  if (await isReadable(join(directory, 'recipe.json'))) {
    throw new TerminalError(
      'already_exists',
      `run ${runId} exists in ${home}; continue it with 'gradus resume ${runId}', or choose another --run-id`,
    );
  }
  // A dry run should not wait for gRPC and NATS to load.
  const { driveRun } = await import('./drive-run.ts');
  return await driveRun({
    runId,
    home,
    directory,
    resume: false,
    json: options.json,
    terminal,
    key: fleetKey({ recipe: loaded.recipe, paths: fleetFiles(loaded) }, loaded.file),
    resolve: async (lent) =>
      resolveRecipe(
        loaded.recipe,
        loaded.file,
        lent?.paths ?? (await prepareInputs(loaded, directory, (note) => terminal.err(note))),
      ),
  });
}

async function dryRun(loaded: LoadedRecipe, options: RunOptions, terminal: Terminal): Promise<number> {
  const { model, data } = locateInputs(loaded.recipe, loaded.file);
  const lacking = await missingModelFiles(model);
  const { musique, files, rows } = data;
  const named = [
    ...(musique === undefined ? [] : [musique.questions, ...(musique.corpus === undefined ? [] : [musique.corpus])]),
    ...Object.values(files ?? {}),
    ...(rows === undefined ? [] : rowFiles(rows)),
  ];
  const absent: string[] = [];
  for (const path of named) if (!(await isReadable(path))) absent.push(path);
  const rowNotes: string[] = [];
  if (rows !== undefined && absent.length === 0) {
    const { train, heldOut } = await countRows(
      rows,
      rowChecks(loaded.recipe, (note) => void rowNotes.push(note)),
    );
    rowNotes.push(`data.rows: ${train} training questions, ${heldOut} held out`);
  }
  const plan = planRun(loaded.recipe, [
    ...(lacking.length > 0 ? [`model.path: ${lacking.join(', ')} not there yet`] : []),
    ...absent.map((path) => `data: ${path} not there yet`),
    ...(await rewardProblems(loaded)),
    ...rowNotes,
  ]);
  terminal.out(options.json ? JSON.stringify(plan) : formatPlan(plan));
  return exitCodes.ok;
}

/** NAME-YYYYMMDD-HHMMSS in UTC, within the 64 characters that a run id may have. */
function newRunId(recipeName: string, now: Date): string {
  const [date = '', time = ''] = now.toISOString().split('T');
  return `${recipeName.slice(0, 48)}-${date.replaceAll('-', '')}-${time.slice(0, 8).replaceAll(':', '')}`;
}
