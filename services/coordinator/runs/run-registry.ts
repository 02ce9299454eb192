import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ListRunsResponseSchema } from '#proto/coordinator/v1/coordinator_pb.ts';
import { RunState as Life } from '#proto/coordinator/v1/coordinator_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { CancelledError, TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import { readLease } from '#platform/nats/lease.ts';
import type { LeaseView } from '#platform/nats/lease.ts';
import type { Security } from '#platform/security/security.ts';
import { parseResolvedRecipe } from '#recipe/resolve-recipe.ts';
import type { QueuePlace } from '../queue/admission.ts';
import { createRunQueue } from '../queue/run-queue.ts';
import { foldLedger, ledgerRuns } from '#run/ledger/read-ledger.ts';
import { askLeader } from '../leadership/ask-leader.ts';
import type { RunRequest } from './check-request.ts';
import { runStatus } from './run-status.ts';
import type { RunStatusInit } from './run-status.ts';
import { startRun } from './start-run.ts';
import type { DrivenRun, RunDependencies, StartOptions, StopWish } from './start-run.ts';
import { stopUnledRun } from './unled-runs.ts';
import { hasSuccessor } from '../leadership/successors.ts';

export type ListedRuns = MessageInitShape<typeof ListRunsResponseSchema> & { readonly runs: RunStatusInit[] };

/** Runs that this process drives, those that another coordinator drives, and those that only their ledgers know. */
export interface RunRegistry {
  /** Begins a run, or puts it into the queue where it has to wait; gives its place there. */
  submit(request: RunRequest, signal: AbortSignal): Promise<Submitted>;
  /** Begins what is first in the queue, if it may; to be asked again and again. */
  startWaiting(signal: AbortSignal): Promise<void>;
  /** Takes over a run that nobody leads. False when there is nothing to take over, or no room for it. */
  adopt(runId: string, how: Omit<StartOptions, 'adopt' | 'fromQueue'>, signal: AbortSignal): Promise<boolean>;
  status(runId: string, signal: AbortSignal): Promise<RunStatusInit>;
  /** One that cannot be read does not hide the others. */
  list(signal: AbortSignal): Promise<ListedRuns>;
  driven(runId: string): DrivenRun | undefined;
  /** Ids of the runs that are driven or being started here. */
  own(): readonly string[];
  /** It is checked, or its ledger is read: it may be driven here in a moment. */
  isStarting(runId: string): boolean;
  /** Ends a run that nobody leads, see `stopUnledRun`. */
  stopUnled(runId: string, wish: StopWish, signal: AbortSignal): Promise<void>;
  /** For calls to other coordinators. */
  readonly security: Security | undefined;
  /** The other coordinator that leads a run. */
  leader(runId: string, signal: AbortSignal): Promise<LeaseView | undefined>;
  /** Leaves every run to another coordinator of the fleet; without one stops them now. Waits until that is done. */
  leaveAll(): Promise<void>;
}

export interface Submitted {
  readonly runId: string;
  /** Absent where it has begun. */
  readonly queued?: QueuePlace;
}

const asked: StartOptions = { adopt: false, fromEarlierSelf: false, fromQueue: false, waitsForFiles: false };

const runIdPattern = /^[a-z0-9-]{1,64}$/;
const leavePollMs = 50;

export function createRunRegistry(deps: RunDependencies): RunRegistry {
  const { nats, config } = deps;
  const runs = new Map<string, DrivenRun>();
  const queue = createRunQueue(deps, () => runs.values());
  const starting = new Set<string>();
  /** Aborts when this process ends: nothing is begun any more. */
  const leaving = new AbortController();
  const untilLeaving = (signal: AbortSignal) => AbortSignal.any([signal, leaving.signal]);
  const own = () => [...runs.keys(), ...starting];

  async function leader(runId: string, signal: AbortSignal): Promise<LeaseView | undefined> {
    const lease = await readLease(nats, runId, signal);
    // At our own address: left behind by an earlier process.
    return lease === undefined || lease.address === deps.self.address ? undefined : lease;
  }

  async function status(runId: string, signal: AbortSignal): Promise<RunStatusInit> {
    const run = runs.get(checkRunId(runId));
    if (run !== undefined) {
      const { state, recipe, progress } = run;
      return runStatus({ state, recipe, progress, sinceLastEntryMs: run.sinceLastEntryMs(), led: true });
    }
    const lease = starting.has(runId) ? undefined : await leader(runId, signal);
    const reported =
      lease && (await askLeader(lease, deps.security, signal, (client, call) => client.getRun({ runId }, call)));
    if (reported !== undefined && reported.state !== Life.INTERRUPTED) return reported;
    const { state } = await foldLedger(nats, runId, signal);
    if (state.life === 'new') throw unknownRun(runId);
    const { recipe } = parseResolvedRecipe(state.recipeJson);
    const place = state.life === 'queued' ? await queue.placeIn(state, recipe, signal) : undefined;
    const led = lease !== undefined || starting.has(runId);
    return runStatus({ state, recipe, progress: undefined, sinceLastEntryMs: 0, led, place });
  }

  /** Never rejects; afterwards the ledger answers for the run. */
  async function keep(run: DrivenRun): Promise<void> {
    runs.set(run.runId, run);
    deps.events.runs(runs.size);
    await run.ended;
    runs.delete(run.runId);
    deps.events.runs(runs.size);
    run.liveProgress.update({});
  }

  return {
    security: deps.security,
    async submit(request, signal) {
      const runId = checkRunId(request.runId);
      if (leaving.signal.aborted)
        throw new TransientError('unavailable', 'this coordinator ends; ask another one, or it when it is back');
      if (own().includes(runId)) {
        throw new TerminalError('already_exists', `run_id: '${runId}' is running; stop it first, or choose another id`);
      }
      starting.add(runId);
      try {
        return await queue.inTurn(signal, async () => {
          const queued = await queue.admit(request, untilLeaving(signal));
          if (queued !== undefined) return { runId, queued };
          const run = await startRun(deps, request, asked, untilLeaving(signal));
          if (run !== undefined) void keep(run);
          return { runId };
        });
      } finally {
        starting.delete(runId);
      }
    },
    async startWaiting(signal) {
      if (leaving.signal.aborted || runs.size >= config.maxRuns) return;
      await queue.inTurn(signal, async () => {
        const request = await queue.next(signal);
        if (request === undefined || own().includes(request.runId)) return;
        starting.add(request.runId);
        try {
          const run = await queue.begin(request, untilLeaving(signal));
          if (run !== undefined) void keep(run);
        } finally {
          starting.delete(request.runId);
        }
      });
    },
    async adopt(runId, how, signal) {
      if (leaving.signal.aborted || own().includes(runId) || own().length >= config.maxRuns) return false;
      starting.add(runId);
      try {
        const request = { runId, recipeJson: '', directory: '', resume: true, acceptChanged: [] };
        const run = await startRun(deps, request, { ...how, adopt: true, fromQueue: false }, untilLeaving(signal));
        if (run === undefined) return false;
        void keep(run);
        return true;
      } finally {
        starting.delete(runId);
      }
    },
    status,
    async list(signal) {
      const { ids, leftOut } = listedRuns(runs.keys(), await ledgerRuns(nats));
      const statuses: RunStatusInit[] = [];
      const unreadable: { readonly runId: string; readonly reason: string }[] = [];
      for (const runId of ids) {
        try {
          statuses.push(await status(runId, signal));
        } catch (thrown) {
          const error = errorFrom(thrown);
          if (!(error instanceof TerminalError)) throw error;
          unreadable.push({ runId, reason: error.message });
        }
      }
      return { runs: statuses, unreadable, leftOut };
    },
    driven: (runId) => runs.get(runId),
    own,
    isStarting: (runId) => starting.has(runId) && !runs.has(runId),
    stopUnled: (runId, wish, signal) => stopUnledRun(deps, runId, wish, signal),
    leader,
    async leaveAll() {
      leaving.abort(new CancelledError('cancelled', 'this coordinator ends'));
      // What is being started is left too, as soon as it is there.
      while (own().length > 0) {
        const all = [...runs.values()];
        const followed = all.length > 0 && (await hasSuccessor(nats, config.fleetId));
        for (const run of all) {
          if (followed) run.handOver();
          else run.leave();
        }
        await Promise.all(all.map((run) => run.ended));
        if (own().length > 0) await sleep(leavePollMs, undefined);
      }
    },
  };
}

export function unknownRun(runId: string): TerminalError {
  return new TerminalError('not_found', `run_id: there is no run '${runId}'`);
}

export function checkRunId(runId: string): string {
  if (!runIdPattern.test(runId)) {
    throw new TerminalError('invalid_argument', `run_id: '${runId.slice(0, 80)}' must be 1 to 64 of a-z, 0-9 and -`);
  }
  return runId;
}

/** Runs of one answer: each is read from its ledger. */
const mostListed = 256;

/** Which runs an answer lists, by id: those that are driven here first, so that none of them is left out for one that rests. `leftOut` counts the others (P9). */
export function listedRuns(
  driven: Iterable<string>,
  known: Iterable<string>,
): { readonly ids: readonly string[]; readonly leftOut: number } {
  const all = new Set([...[...driven].sort(), ...[...known].sort()]);
  const ids = [...all].slice(0, mostListed).sort();
  return { ids, leftOut: all.size - ids.length };
}
