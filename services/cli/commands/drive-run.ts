import { join, resolve } from 'node:path';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { CancelledError, TransientError, errorFrom } from '#shared/errors.ts';
import { retry } from '#shared/async/retry.ts';
import { resolvedRecipeJson } from '#shared/recipe/resolve-recipe.ts';
import type { ResolvedRecipe } from '#shared/recipe/resolve-recipe.ts';
import { exitCodes } from '../exit-codes.ts';
import { fleetBusy, readFleetFile } from '../fleet/fleet-file.ts';
import type { FleetFile } from '../fleet/fleet-file.ts';
import { startFleet } from '../fleet/start-fleet.ts';
import type { Fleet } from '../fleet/start-fleet.ts';
import { fleetCoordinators } from '../run/coordinators.ts';
import type { Coordinators } from '../run/coordinators.ts';
import { watchInterrupts } from './interrupts.ts';
import { watchRun } from './watch-run.ts';
import { reportRun } from '../run/report-run.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { fleetEvents } from './fleet-events.ts';

export interface DriveOptions {
  readonly runId: string;
  /** Absolute. */
  readonly home: string;
  readonly directory: string;
  readonly resume: boolean;
  readonly json: boolean;
  readonly terminal: Terminal;
  /** Called once the fleet is known: inputs may come from a lent fleet or be made for this run. */
  readonly resolve: (lent: FleetFile | undefined) => Promise<ResolvedRecipe>;
  /** What a lent fleet must have been started with. */
  readonly key: string;
}

const stopGraceMs = 15_000;
const callTimeoutMs = 30_000;

/** From a checked recipe to the end of its run: fleet, submission, progress, Ctrl-C, report. Gives the exit code. */
export async function driveRun(options: DriveOptions): Promise<number> {
  const { terminal, home, runId } = options;
  const starting = new AbortController();
  const interrupts = watchInterrupts();
  interrupts.onFirst(() => starting.abort(new CancelledError('cancelled', 'stopped while starting; nothing ran yet')));
  let own: Fleet | undefined;
  let coordinators: Coordinators | undefined;
  try {
    const lent = await readFleetFile(home);
    if (lent !== undefined && (lent.owner !== 'up' || lent.key !== options.key)) throw fleetBusy(home, lent);
    const resolved = await options.resolve(lent);
    if (lent === undefined) {
      own = await startFleet({
        inputs: { recipe: resolved.recipe, paths: resolved.paths },
        recipePath: resolved.recipe_path,
        owner: 'run',
        home,
        logs: join(options.directory, 'logs'),
        signal: starting.signal,
        events: fleetEvents(terminal),
      });
    }
    coordinators = fleetCoordinators(own?.file ?? lent, callTimeoutMs);
    await submit(coordinators, options, resolvedRecipeJson(resolved), starting.signal);
    terminal.err(`${options.resume ? 'resumed' : 'started'} run ${runId} in ${options.directory}`);
    const last = await watchRun({
      coordinators,
      runId,
      json: options.json,
      terminal,
      interrupts,
      failed: own?.failed,
    });
    terminal.status('');
    if (last.state !== RunState.FINISHED) terminal.err(resumeHint(options));
    await own?.stop(stopGraceMs);
    own = undefined;
    await reportRun(options.directory, last, { terminal, json: options.json });
    return exitCodeOfState(last.state);
  } catch (thrown) {
    const error = errorFrom(thrown);
    terminal.status('');
    if (coordinators !== undefined && error instanceof TransientError) terminal.err(resumeHint(options));
    throw error;
  } finally {
    coordinators?.close();
    await own?.stop(stopGraceMs);
    interrupts.release();
  }
}

function resumeHint({ runId, home }: DriveOptions): string {
  return `continue it with: gradus resume ${runId}${home === resolve('runs') ? '' : ` --home ${home}`}`;
}

/** Submits until a coordinator has the run; one that dies over it may have it already, and then the next one says so. */
async function submit(
  coordinators: Coordinators,
  { runId, directory, resume }: DriveOptions,
  recipeJson: string,
  signal: AbortSignal,
): Promise<void> {
  let sent = false;
  const send = async (): Promise<void> => {
    try {
      await coordinators.ask(async (client) => {
        const repeated = sent;
        sent = true;
        await client.submitRun({ runId, recipeJson, directory, resume }, { signal }).catch((thrown: unknown) => {
          if (!repeated || errorFrom(thrown).code !== 'already_exists') throw thrown;
        });
      });
    } catch (thrown) {
      coordinators.next();
      throw thrown;
    }
  };
  await retry(send, { signal, attempts: 10, baseMs: 200, maxMs: 3_000 });
}

function exitCodeOfState(state: RunState): number {
  switch (state) {
    case RunState.FINISHED:
      return exitCodes.ok;
    case RunState.STOPPED:
      return exitCodes.stopped;
    default:
      return exitCodes.runFailed;
  }
}
