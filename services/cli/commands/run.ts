import { join, resolve } from 'node:path';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { storedInputs } from '#recipe/stored-inputs.ts';
import { isStored } from '#artefacts/location.ts';
import { locateInputs, resolveRecipe } from '#recipe/resolve-recipe.ts';
import { exitCodes } from '../exit-codes.ts';
import { detach } from './detach.ts';
import { fleetKey } from '#fleet/fleet-file.ts';
import {
  type LoadedRecipe,
  fleetFiles,
  loadRecipe,
  modelProblems,
  prepareInputs,
  rowFiles,
  stageFileProblems,
} from '../run/prepare-inputs.ts';
import { fetchStored, withStored, type StoredOptions } from '../run/fetch-stored.ts';
import { isReadable } from '../run/is-readable.ts';
import { architectureProblems } from '../run/architecture-problems.ts';
import { chatProblems } from '../run/chat-problems.ts';
import { endpointProblems } from '../run/endpoint.ts';
import { environmentProblems } from '../run/environment-problems.ts';
import { corpusProblem } from '../run/corpus-problem.ts';
import { plannedRows, rowProblems } from '../run/planned-rows.ts';
import { rewardProblems } from '../run/reward-inputs.ts';
import { scorerProblems } from '../run/scorer-problems.ts';
import type { RowCounts } from '#stages/kit/stage-kind.ts';
import { memoryOf } from '../run/memory-lines.ts';
import { formatPlan, planRun } from '../run/run-plan.ts';
import { unpinnedModels } from '../run/unpinned-models.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { asIs, jsonLine } from '../terminal/json-line.ts';

export interface RunOptions {
  readonly seed?: number;
  readonly set: readonly string[];
  readonly dryRun: boolean;
  readonly detach: boolean;
  /** Directory of certificates for the services. */
  readonly credentials?: string;
  readonly samples: boolean;
  readonly runId?: string;
  readonly home: string;
  readonly json: boolean;
  /** A coordinator elsewhere that gets the recipe. */
  readonly server?: string;
  readonly priority: number;
  /** False: it is refused where it would have to wait for other runs. */
  readonly queue: boolean;
  /** Of what the recipe names as artefact:DIGEST. */
  readonly store?: string;
  readonly natsUrl?: string;
}

export async function runCommand(recipePath: string, options: RunOptions, terminal: Terminal): Promise<number> {
  const { seed, set } = options;
  const all = seed === undefined ? set : [...set, `seed=${seed}`];
  if (options.server !== undefined && !options.dryRun) {
    if (options.store !== undefined)
      terminal.err('note: --store is of the machine that fetches; the server runs on what its fleet was started with');
    const { submitToServer } = await import('../server/submit.ts');
    return await submitToServer(recipePath, { ...options, server: options.server, set: all }, terminal);
  }
  const loaded = await loadRecipe(recipePath, all);
  if (options.dryRun) return await dryRun(loaded, options, terminal);
  const runId = options.runId ?? newRunId(loaded.recipe.name, new Date());
  const home = resolve(options.home);
  const directory = join(home, runId);
  if (await isReadable(join(directory, 'recipe.json'))) {
    throw new TerminalError(
      'already_exists',
      `run ${runId} exists in ${home}; continue it with 'gradus resume ${runId}', or choose another --run-id`,
    );
  }
  if (options.detach) {
    const settings = [...set.flatMap((one) => ['--set', one]), ...(seed === undefined ? [] : ['--seed', `${seed}`])];
    const shows = options.samples ? [] : ['--no-samples'];
    const secured = options.credentials === undefined ? [] : ['--credentials', resolve(options.credentials)];
    const ranked = ['--priority', `${options.priority}`, ...(options.queue ? [] : ['--no-queue'])];
    const stored = Object.entries({ '--store': options.store, '--nats-url': options.natsUrl }).flatMap(
      ([name, value]) => (value === undefined ? [] : [name, value]),
    );
    const args = ['run', recipePath, ...settings, ...shows, ...ranked, ...secured, ...stored, '--home', home];
    return await detach({ args, home, runId }, terminal);
  }
  terminal.err(`run ${runId}: reading the recipe's inputs, then starting its services`);
  // A dry run should not wait for gRPC and NATS to load.
  const { driveRun } = await import('./drive-run.ts');
  return await driveRun({
    runId,
    home,
    directory,
    resume: false,
    json: options.json,
    samples: options.samples,
    priority: options.priority,
    noQueue: !options.queue,
    credentials: options.credentials === undefined ? undefined : resolve(options.credentials),
    terminal,
    key: fleetKey({ recipe: loaded.recipe, paths: fleetFiles(loaded) }, loaded.file),
    resolve: async (lent, signal) => {
      const prepare = async () =>
        await prepareInputs(await withStored(loaded, storedOptions(options, terminal, signal)), directory, (note) =>
          terminal.err(note),
        );
      return resolveRecipe(loaded.recipe, loaded.file, lent?.paths ?? (await prepare()), loaded.set);
    },
  });
}

function storedOptions(
  { store, natsUrl, credentials, home }: RunOptions,
  terminal: Terminal,
  signal: AbortSignal,
): StoredOptions {
  return { store, natsUrl, credentials, home: resolve(home), report: (line) => terminal.err(line), signal };
}

async function dryRun(given: LoadedRecipe, options: RunOptions, terminal: Terminal): Promise<number> {
  const { signal } = new AbortController();
  const { fetched, problems: ofStore } = await fetchStored(
    storedInputs(given.recipe),
    storedOptions(options, terminal, signal),
  );
  const loaded = { ...given, fetched };
  const { model, data } = locateInputs(loaded.recipe, loaded);
  const { musique, files, rows } = data;
  const corpora = [musique?.corpus, files?.corpus, rows?.corpus];
  const ofRows = [musique?.questions, files?.train, files?.held_out, ...Object.values(rows ? rowFiles(rows) : {})];
  const absent: string[] = [];
  const corpusProblems: string[] = [];
  for (const path of new Set([...ofRows, ...corpora])) {
    if (path === undefined) continue;
    if (!(await isReadable(path))) {
      absent.push(path);
      continue;
    }
    const problem = corpora.includes(path) ? await corpusProblem(path) : undefined;
    if (problem !== undefined) corpusProblems.push(problem);
  }
  const rowNotes: string[] = [];
  const rowsProblems: string[] = [];
  let rowCounts: RowCounts | undefined = data.world && { train: data.world.train, heldOut: data.world.held_out };
  if (!ofRows.some((path) => path !== undefined && absent.includes(path))) {
    try {
      const planned = await plannedRows(loaded.recipe, data, (note) => void rowNotes.push(note));
      rowCounts = planned.counts;
      rowsProblems.push(...rowProblems(loaded.recipe, planned.train));
      const [source] = Object.entries(data).flatMap(([name, value]) => (value === undefined ? [] : [name]));
      if (source !== 'world')
        rowNotes.push(`data.${source}: ${rowCounts.train} training questions, ${rowCounts.heldOut} held out`);
    } catch (thrown) {
      rowsProblems.push(errorFrom(thrown).message);
    }
  }
  // A model that is not there yet is not a mistake of the recipe: it may be fetched later.
  const isThere = model === undefined || (await isReadable(join(model, 'config.json')));
  const incomplete = model === undefined ? [] : await modelProblems(model, loaded.recipe.model.weights !== undefined);
  const architecture = isThere ? await architectureProblems(loaded, incomplete.length === 0) : undefined;
  const ofModel = [
    ...incomplete.map((problem) => `model.path: ${problem}`),
    ...(architecture?.problems ?? []),
    ...(isThere ? await chatProblems(loaded) : []),
    ...(isThere ? await stageFileProblems(loaded) : []),
  ];
  const memory =
    model !== undefined && architecture?.problems.length === 0 ? await memoryOf(loaded.recipe, model) : undefined;
  const problems = [
    ...ofStore,
    ...(isThere ? ofModel : []),
    ...(memory?.problems ?? []),
    ...rowsProblems,
    ...corpusProblems.map((problem) => `data: ${problem}`),
    ...(await rewardProblems(loaded, process.env)),
    ...(await scorerProblems(loaded)),
    ...(await environmentProblems(loaded, process.env)),
    ...(await endpointProblems(loaded, process.env)),
  ];
  const notes = [
    ...(isThere || isStored(model) ? [] : ofModel),
    ...absent.filter((path) => !isStored(path)).map((path) => `data: ${path} not there yet`),
    ...unpinnedModels(loaded.recipe),
    ...rowNotes,
    ...(architecture?.notes ?? []),
    ...(memory?.notes ?? []),
  ];
  const plan = planRun(loaded.recipe, { notes, problems, rows: rowCounts, memory: memory?.plan });
  terminal.out(
    options.json
      ? jsonLine({ ...plan, stages: plan.stages.map((stage) => ({ ...stage, rewards: asIs(stage.rewards) })) })
      : formatPlan(plan),
  );
  return problems.length === 0 ? exitCodes.ok : exitCodes.usage;
}

/** NAME-YYYYMMDD-HHMMSS in UTC, within the 64 characters that a run id may have. */
export function newRunId(recipeName: string, now: Date): string {
  const [date = '', time = ''] = now.toISOString().split('T');
  return `${recipeName.slice(0, 48)}-${date.replaceAll('-', '')}-${time.slice(0, 8).replaceAll(':', '')}`;
}
