import { join } from 'node:path';
import { RunState, type QueuePlace } from '#proto/coordinator/v1/coordinator_pb.ts';
import { CancelledError, TransientError, errorFrom } from '#platform/errors.ts';
import { retry } from '#platform/async/retry.ts';
import type { FoundInput } from '#recipe/inputs/survey-inputs.ts';
import { type ResolvedRecipe, resolvedRecipeJson } from '#recipe/resolve-recipe.ts';
import { exitCodes } from '../exit-codes.ts';
import { fleetBusy } from '#fleet/claim-home.ts';
import { type FleetFile, readFleetFile } from '#fleet/fleet-file.ts';
import { refuseStaleFleet } from '#fleet/stale-fleet.ts';
import { checkSpace } from '#fleet/disk/check-space.ts';
import { watchDisks } from '#fleet/disk/watch-disks.ts';
import { countRestarts } from '#fleet/count-restarts.ts';
import { type Fleet, startFleet } from '#fleet/start-fleet.ts';
import { type Coordinators, fleetCoordinators } from '../run/coordinators.ts';
import { readInputs } from '../run/read-inputs.ts';
import { watchInterrupts } from './interrupts.ts';
import { watchRun } from './watch-run.ts';
import { reportRun } from '../run/report-run.ts';
import { resumeHint } from '../run/resume-hint.ts';
import { requestStop } from '../run/request-stop.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { diskEvents, fleetEvents } from './fleet-events.ts';

export interface DriveOptions {
  readonly runId: string;
  /** Absolute. */
  readonly home: string;
  readonly directory: string;
  readonly resume: boolean;
  /** Absolute: a directory of credentials for a fleet of its own. */
  readonly credentials?: string | undefined;
  readonly json: boolean;
  /** Share of a fleet that several runs have; a resumed run keeps its own where it is absent. */
  readonly priority?: number;
  /** It is refused where it would have to wait for other runs. */
  readonly noQueue?: boolean;
  /** Shows a rollout now and then. */
  readonly samples: boolean;
  readonly terminal: Terminal;
  /** Called once the fleet is known: inputs may come from a lent fleet or be made for this run. */
  readonly resolve: (lent: FleetFile | undefined, signal: AbortSignal) => Promise<ResolvedRecipe>;
  /** What a lent fleet must have been started with. */
  readonly key: string;
  /** Throws when the run may not go on with what it stands on now. */
  readonly check?: (found: readonly FoundInput[]) => void;
  /** What of a resumed run may have changed. */
  readonly acceptChanged?: readonly string[];
}

const stopGraceMs = 15_000;
const callTimeoutMs = 30_000;

/** From a checked recipe to the end of its run: fleet, submission, progress, Ctrl-C, report. Gives the exit code. */
export async function driveRun(options: DriveOptions): Promise<number> {
  const { terminal, home, runId } = options;
  const starting = new AbortController();
  const watching = new AbortController();
  const interrupts = watchInterrupts();
  interrupts.onFirst(() =>
    starting.abort(new CancelledError('cancelled', 'stopped during the start; nothing ran yet')),
  );
  const events = fleetEvents(terminal);
  const restarts = countRestarts(events);
  let own: Fleet | undefined;
  let coordinators: Coordinators | undefined;
  try {
    const lent = await readFleetFile(home);
    if (lent !== undefined && (lent.owner !== 'up' || lent.key !== options.key)) throw fleetBusy(home, lent);
    const resolved = await options.resolve(lent, starting.signal);
    const found = await readInputs(resolved.paths, home, terminal, starting.signal);
    options.check?.(found);
    if (lent !== undefined) refuseStaleFleet(lent, found, resolved.recipe, home);
    if (lent === undefined) {
      const logs = join(options.directory, 'logs');
      const tight = await checkSpace({ home, logs });
      if (tight !== undefined) terminal.err(`warning: ${tight}`);
      own = await startFleet({
        inputs: { recipe: resolved.recipe, paths: resolved.paths },
        recipePath: resolved.recipe_path,
        owner: 'run',
        home,
        logs,
        credentials: options.credentials,
        signal: starting.signal,
        events: { ...events, ...restarts.events },
      });
    }
    coordinators = await fleetCoordinators(own?.file ?? lent, callTimeoutMs, {
      reread: () => readFleetFile(home),
      signal: watching.signal,
    });
    // The supervisor of a lent fleet has its own terminal; this one says it, too.
    const disk =
      own?.disk ??
      watchDisks({
        paths: [join(home, 'nats'), options.directory],
        signal: watching.signal,
        events: diskEvents(terminal),
        onGivenUp: (error) => watching.abort(error),
      });
    const queued = await submit(coordinators, options, resolvedRecipeJson(resolved), starting.signal).catch(
      async (thrown: unknown) => {
        // A coordinator that we do not end may have begun the run all the same.
        if (own === undefined && starting.signal.aborted) await stopBegun(coordinators, runId);
        throw thrown;
      },
    );
    const how = queued !== undefined ? 'queued' : options.resume ? 'resumed' : 'started';
    terminal.err(`${how} run ${runId} in ${options.directory}`);
    const last = await watchRun({
      coordinators,
      runId,
      home,
      json: options.json,
      samples: options.samples,
      terminal,
      interrupts,
      failed: own?.failed ?? watching.signal,
      disk,
    });
    terminal.status('');
    if (!isOver(last.state)) terminal.err(resumeHint(options, last.message));
    await own?.stop(stopGraceMs);
    own = undefined;
    await reportRun(options.directory, last, { terminal, json: options.json });
    const restarted = restarts.describe();
    if (restarted !== undefined) terminal.err(restarted);
    return exitCodeOfState(last.state);
  } catch (thrown) {
    const error = errorFrom(thrown);
    terminal.status('');
    if (coordinators !== undefined && error instanceof TransientError) terminal.err(resumeHint(options, error.message));
    throw error;
  } finally {
    watching.abort(new CancelledError('cancelled', 'the run is over'));
    coordinators?.close();
    await own?.stop(stopGraceMs);
    interrupts.release();
  }
}

async function stopBegun(coordinators: Coordinators | undefined, runId: string): Promise<void> {
  try {
    if (coordinators !== undefined)
      await requestStop(
        coordinators,
        { runId, now: true, reason: 'Ctrl-C or signal while it started' },
        { withinMs: stopGraceMs },
      );
  } catch (thrown) {
    if (errorFrom(thrown).code !== 'not_found') throw thrown;
  }
}

/** Submits until a coordinator has the run; one that dies over it may have it already, and then the next one says so. */
async function submit(
  coordinators: Coordinators,
  { runId, directory, resume, acceptChanged = [], priority = 0, noQueue = false }: DriveOptions,
  recipeJson: string,
  signal: AbortSignal,
): Promise<QueuePlace | undefined> {
  const request = { runId, recipeJson, directory, resume, acceptChanged: [...acceptChanged], priority, noQueue };
  let sent = false;
  let queued: QueuePlace | undefined;
  const send = async (): Promise<void> => {
    try {
      await coordinators.ask(async (client) => {
        const repeated = sent;
        sent = true;
        try {
          ({ queued } = await client.submitRun(request, { signal }));
        } catch (thrown) {
          if (!repeated || errorFrom(thrown).code !== 'already_exists') throw thrown;
        }
      });
    } catch (thrown) {
      coordinators.next();
      throw thrown;
    }
  };
  await retry(send, { signal, attempts: 10, baseMs: 200, maxMs: 3_000 });
  return queued;
}

/** There is nothing to resume. */
const isOver = (state: RunState): boolean => state === RunState.FINISHED || state === RunState.NOTHING_TO_LEARN;

export function exitCodeOfState(state: RunState): number {
  switch (state) {
    case RunState.FINISHED:
      return exitCodes.ok;
    case RunState.STOPPED:
      return exitCodes.stopped;
    default:
      return exitCodes.runFailed;
  }
}
