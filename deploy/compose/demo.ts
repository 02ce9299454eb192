/**
 * The demo on a fleet of containers. `prepare` makes the inputs of a recipe in a folder, before services that read them start; `run` submits
 * it and follows it to its end. Its runs are NAME-1, NAME-2 …, by the name of the recipe: the newest goes on where it has not finished, so that starting the
 * containers again begins no second one, and `--again` begins the next. RUNS is a folder of the coordinator.
 * Usage: demo.ts prepare RECIPE INPUTS | run RECIPE INPUTS RUNS [--again], and [--set KEY=VALUE]...
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadRecipe, prepareInputs } from '#cli/run/prepare-inputs.ts';
import { followRun } from '#cli/run/follow-run.ts';
import { createCoordinators, type CoordinatorClient } from '#cli/run/coordinators.ts';
import { exitCodeOf, exitCodes } from '#cli/exit-codes.ts';
import { progressLine } from '#cli/run/progress.ts';
import { openOperator } from '#fleet/credentials-directory.ts';
import { errorFrom, TerminalError } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { RunState, type RunStatus } from '#proto/coordinator/v1/coordinator_pb.ts';
import { hasEnded, stateWord } from '#run/live-status.ts';
import { resolvedRecipeJson, resolveRecipe } from '#recipe/resolve-recipe.ts';

const columns = 160;
const usage =
  'usage: demo.ts prepare RECIPE INPUTS | demo.ts run RECIPE INPUTS RUNS [--again], and [--set KEY=VALUE]...';
/** An id of a run has 64 characters at most, and its number needs some of them. */
const maxNameLength = 56;

async function demo(words: readonly string[], signal: AbortSignal): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: { set: { type: 'string', multiple: true, default: [] }, again: { type: 'boolean', default: false } },
  });
  const [command, file, inputs, runs] = positionals;
  const isComplete =
    command === 'prepare' ? runs === undefined && !values.again : command === 'run' && runs !== undefined;
  if (!isComplete || file === undefined || inputs === undefined) throw new TerminalError('invalid_argument', usage);
  const loaded = await loadRecipe(file, values.set);
  const paths = await prepareInputs(loaded, inputs, (note) => say(`note: ${note}`));
  if (runs === undefined) {
    process.stdout.write(`the inputs of ${file} are in ${inputs}\n`);
    return exitCodes.ok;
  }
  const client = createGrpcClient(CoordinatorService, process.env['GRADUS_SERVER'] ?? 'coordinator:50051', {
    timeoutMs: 120_000,
    security: await openOperator(process.env['OPERATOR_CREDENTIALS']),
  });
  const { recipe } = loaded;
  try {
    const recipeJson = resolvedRecipeJson(resolveRecipe(recipe, file, paths, values.set));
    const name = recipe.name.slice(0, maxNameLength);
    const runId = await startOrContinue(client, { name, recipeJson, runs, again: values.again, signal });
    return await follow(client, runId, signal);
  } finally {
    client.close();
  }
}

interface DemoRun {
  readonly name: string;
  readonly recipeJson: string;
  readonly runs: string;
  readonly again: boolean;
  readonly signal: AbortSignal;
}

/** Gives the id of the run that is to be followed, and says what becomes of it. */
async function startOrContinue(client: CoordinatorClient, demoRun: DemoRun): Promise<string> {
  const { name, recipeJson, runs, again, signal } = demoRun;
  let number = 1;
  let newest: RunStatus | undefined;
  for (let each = await find(client, `${name}-1`, signal); each !== undefined; number++) {
    newest = each;
    each = await find(client, `${name}-${number + 1}`, signal);
  }
  if (newest === undefined || again) {
    const runId = `${name}-${number}`;
    const directory = join(runs, runId);
    await client.submitRun({ runId, recipeJson, directory, resume: false }, { signal });
    say(`run ${runId} begins, in ${directory}`);
    return runId;
  }
  const { runId, state, message } = newest;
  if (state === RunState.STOPPED || state === RunState.FAILED) {
    // With the recipe, so that one that was edited meanwhile is refused with what differs.
    await client.submitRun({ runId, recipeJson, resume: true }, { signal });
    say(`run ${runId} goes on; it was ${stateWord(state)}: ${message}`);
  } else if (hasEnded(newest)) say(`run ${runId} has ended before, and no other one begins: that needs --again`);
  else say(`run ${runId} goes on; it is ${stateWord(state)}`);
  return runId;
}

/** Undefined where the fleet knows no such run. */
async function find(client: CoordinatorClient, runId: string, signal: AbortSignal): Promise<RunStatus | undefined> {
  try {
    return await client.getRun({ runId }, { signal });
  } catch (thrown) {
    if (errorFrom(thrown).code === 'not_found') return undefined;
    throw thrown;
  }
}

async function follow(client: CoordinatorClient, runId: string, signal: AbortSignal): Promise<number> {
  let said = '';
  const last = await followRun(createCoordinators([client]), runId, signal, (status) => {
    const at = `${status.stage} ${status.step} ${status.phase}`;
    if (at !== said) say(progressLine(status, undefined, columns));
    said = at;
  });
  say(`run ${runId}: ${stateWord(last.state)} ${last.message}`);
  return last.state === RunState.FINISHED ? exitCodes.ok : exitCodes.runFailed;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

// The first process of a container has no default for these: without a handler it is killed after the grace period.
const stopping = new AbortController();
for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stopping.abort());
try {
  process.exitCode = await demo(process.argv.slice(2), stopping.signal);
} catch (thrown) {
  const error = errorFrom(thrown);
  process.stderr.write(
    stopping.signal.aborted ? 'demo: no longer followed; the run is not stopped by that\n' : `demo: ${error.message}\n`,
  );
  process.exitCode = stopping.signal.aborted ? exitCodes.stopped : exitCodeOf(error);
}
