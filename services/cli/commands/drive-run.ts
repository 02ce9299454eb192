import { join } from 'node:path';
import { RunState, RunStatusSchema } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { RunStatus } from '#proto/coordinator/v1/coordinator_pb.ts';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { toJson } from '@bufbuild/protobuf';
import { CancelledError, TransientError, errorFrom } from '#shared/errors.ts';
import { createGrpcClient } from '#shared/grpc/client.ts';
import { resolvedRecipeJson } from '#shared/recipe/resolve-recipe.ts';
import type { ResolvedRecipe } from '#shared/recipe/resolve-recipe.ts';
import { exitCodes } from '../exit-codes.ts';
import { fleetBusy, fleetKey, readFleetFile } from '../fleet/fleet-file.ts';
import type { FleetFile } from '../fleet/fleet-file.ts';
import { startFleet } from '../fleet/start-fleet.ts';
import type { Fleet } from '../fleet/start-fleet.ts';
import { followRun } from '../run/follow-run.ts';
import type { CoordinatorClient } from '../run/follow-run.ts';
import { createProgress } from '../run/progress.ts';
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
    await client.submitRun(
      { runId, recipeJson: resolvedRecipeJson(resolved), directory: options.directory, resume: options.resume },
      { signal: starting.signal },
    );
    terminal.err(`${options.resume ? 'resumed' : 'started'} run ${runId} in ${options.directory}`);
    const last = await watch(client, options, interrupts, own?.failed);
    terminal.status('');
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

async function watch(
  client: CoordinatorClient,
  options: DriveOptions,
  interrupts: Interrupts,
  failed: AbortSignal | undefined,
): Promise<RunStatus> {
  const { runId, terminal } = options;
  const giveUp = new AbortController();
  const signal = failed === undefined ? giveUp.signal : AbortSignal.any([giveUp.signal, failed]);
  const progress = createProgress(terminal);
  let latest: RunStatus | undefined;

  /** A coordinator that cannot be told to stop any more is stopped by ending the fleet; the ledger is safe. */
  const askToStop = (now: boolean): void => {
    client.stopRun({ runId, now }, { timeoutMs: now ? 5_000 : callTimeoutMs }).catch((thrown: unknown) => {
      if (now) giveUp.abort(errorFrom(thrown));
      else terminal.err(`the coordinator did not take the request to stop: ${errorFrom(thrown).message}`);
    });
  };
  interrupts.onFirst(() => {
    terminal.err('stopping after the step in progress; Ctrl-C again stops now, and both can be resumed');
    askToStop(false);
  });
  interrupts.onSecond(() => {
    terminal.err('stopping now');
    askToStop(true);
    // Ending the fleet is the stop that always works.
    setTimeout(() => giveUp.abort(new CancelledError('cancelled', 'stopped')), 8_000).unref();
  });

  try {
    const last = await followRun(client, runId, signal, (status) => {
      latest = status;
      if (options.json) terminal.out(JSON.stringify(toJson(RunStatusSchema, status)));
      else progress(status);
    });
    if (last.state !== RunState.FINISHED) terminal.err(resumeHint(options));
    return last;
  } catch (thrown) {
    if (failed?.aborted === true) {
      throw new TransientError('unavailable', `the fleet broke down: ${errorFrom(failed.reason).message}`, {
        cause: thrown,
      });
    }
    if (giveUp.signal.aborted && latest !== undefined) {
      terminal.err(resumeHint(options));
      return { ...latest, state: RunState.STOPPED };
    }
    throw thrown;
  }
}

function resumeHint({ runId, home }: DriveOptions): string {
  return `continue it with: gradus resume ${runId}${home.endsWith('/runs') ? '' : ` --home ${home}`}`;
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

interface Interrupts {
  /** Replaces what the first Ctrl-C (or SIGTERM, SIGHUP) does. */
  onFirst(act: () => void): void;
  onSecond(act: () => void): void;
  release(): void;
}

/** Counts requests to stop. A third one ends this process; the guardian then ends the fleet. */
function watchInterrupts(): Interrupts {
  let count = 0;
  let first = (): void => {};
  let second = (): void => {};
  const onSignal = (): void => {
    count += 1;
    if (count === 1) first();
    else if (count === 2) second();
    else process.exit(exitCodes.stopped);
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, onSignal);
  return {
    onFirst: (act) => (first = act),
    onSecond: (act) => (second = act),
    release: () => {
      for (const name of names) process.off(name, onSignal);
    },
  };
}
