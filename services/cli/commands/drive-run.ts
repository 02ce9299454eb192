import { join, resolve } from 'node:path';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { CancelledError, TransientError, errorFrom } from '#shared/errors.ts';
import { createGrpcClient } from '#shared/grpc/client.ts';
import { resolvedRecipeJson } from '#shared/recipe/resolve-recipe.ts';
import type { ResolvedRecipe } from '#shared/recipe/resolve-recipe.ts';
import { exitCodes } from '../exit-codes.ts';
import { fleetBusy, fleetKey, readFleetFile } from '../fleet/fleet-file.ts';
import type { FleetFile } from '../fleet/fleet-file.ts';
import { startFleet } from '../fleet/start-fleet.ts';
import type { Fleet } from '../fleet/start-fleet.ts';
import type { CoordinatorClient } from '../run/follow-run.ts';
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
  let client: CoordinatorClient | undefined;
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
    const address = coordinatorAddress(own?.file ?? lent);
    client = createGrpcClient(CoordinatorService, address, { timeoutMs: callTimeoutMs });
    const coordinator = client;
    const submit = async (resume: boolean): Promise<void> => {
      const recipeJson = resolvedRecipeJson(resolved);
      const request = { runId, recipeJson, directory: options.directory, resume };
      await coordinator.submitRun(request, { signal: starting.signal });
    };
    await submit(options.resume);
    terminal.err(`${options.resume ? 'resumed' : 'started'} run ${runId} in ${options.directory}`);
    const last = await watchRun({
      client,
      runId,
      json: options.json,
      terminal,
      interrupts,
      failed: own?.failed,
      resubmit: () => submit(true),
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
    if (client !== undefined && error instanceof TransientError) terminal.err(resumeHint(options));
    throw error;
  } finally {
    client?.close();
    await own?.stop(stopGraceMs);
    interrupts.release();
  }
}

function resumeHint({ runId, home }: DriveOptions): string {
  return `continue it with: gradus resume ${runId}${home === resolve('runs') ? '' : ` --home ${home}`}`;
}

function coordinatorAddress(file: FleetFile | undefined): string {
  const address = file?.services.find(({ service }) => service === 'coordinator')?.grpc;
  if (address === undefined)
    throw new TransientError('unavailable', 'the fleet has no coordinator yet; try again in a moment');
  return address;
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

export function keyOf(resolved: Pick<ResolvedRecipe, 'recipe'>, model: string): string {
  return fleetKey({ recipe: resolved.recipe, paths: { model } });
}
