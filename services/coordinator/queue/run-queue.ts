import { createSemaphore } from '#platform/async/semaphore.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import type { Recipe } from '#recipe/schema.ts';
import { foldLedger } from '#run/ledger/read-ledger.ts';
import type { RunState } from '#run/ledger/run-state.ts';
import { changesPolicy } from '#stages/kit/kinds.ts';
import { stateForFleet, type RunRequest } from '../runs/check-request.ts';
import { checkSubmission, startRun, type DrivenRun, type RunDependencies } from '../runs/start-run.ts';
import { endWaitingRun } from '../runs/unled-runs.ts';
import type { RunningRun } from '../leadership/running-runs.ts';
import { lowestPriority } from '#submission/contract.ts';
import { placeOf, type FleetLoad, type QueuePlace } from './admission.ts';
import { queueRun } from './queue-run.ts';

/**
 * Runs that wait until the fleet has a place, over all its coordinators: the queue is in the ledgers and the bucket, and whoever has room begins what is
 * first.
 *
 *     submitted --no place--> queued --first, and a place is free--> running
 *                                \--cancelled, or it cannot begin--> stopped | failed
 */
export interface RunQueue {
  /** One after the other: a place is given to one. */
  inTurn<T>(signal: AbortSignal, act: () => Promise<T>): Promise<T>;
  /** Undefined where the run may begin at once; else it is in the queue, or refused where it may not wait. */
  admit(request: RunRequest, signal: AbortSignal): Promise<QueuePlace | undefined>;
  /** What is to begin now, if anything. */
  next(signal: AbortSignal): Promise<RunRequest | undefined>;
  /** Begins it. What cannot begin as it is ends with the reason; what may pass is tried again. */
  begin(request: RunRequest, signal: AbortSignal): Promise<DrivenRun | undefined>;
  placeIn(state: RunState, recipe: Recipe, signal: AbortSignal): Promise<QueuePlace>;
}

/** A run that could not begin for what may pass is not tried again at once. */
const pauseMs = 5_000;

/** `driven` are the runs of this coordinator: an index that was lost lacks them for a moment. */
export function createRunQueue(deps: RunDependencies, driven: () => Iterable<DrivenRun>): RunQueue {
  const { nats, config, running, waiting, events, log } = deps;
  const { fleetId, maxRuns, maxQueuedRuns } = config;
  const turn = createSemaphore(1);
  /** Why the first one could not begin, and when that was. */
  let failed: { readonly runId: string; readonly message: string; readonly atMs: number } | undefined;

  async function load(signal: AbortSignal): Promise<FleetLoad> {
    // In this order: what leaves the queue in between is among those that go on.
    const listed = await waiting.list(signal);
    const ids = await running.list(signal);
    const described = await running.describe(ids, signal);
    const going = new Map<string, RunningRun>(
      ids.map((id) => [id, described.get(id) ?? { priority: lowestPriority, changesPolicy: false }]),
    );
    for (const { runId, recipe, state } of driven())
      if (state.life === 'running')
        going.set(runId, { priority: state.priority, changesPolicy: changesPolicy(recipe) });
    const left = listed.filter(({ runId }) => !going.has(runId));
    events.queued(left.length);
    return { fleetId, maxRuns, running: going, waiting: left };
  }

  return {
    inTurn: (signal, act) => turn.run(act, signal),
    async admit(request, signal) {
      const { runId, noQueue = false } = request;
      const state = stateForFleet((await foldLedger(nats, runId, signal)).state, fleetId);
      const recipe = await checkSubmission(deps, request, state, signal);
      const present = await load(signal);
      const run = { runId, priority: request.priority || state.priority, changesPolicy: changesPolicy(recipe) };
      const place = placeOf(run, present);
      if (place === undefined) return undefined;
      // A refusal names the runs that go on, also where others wait for them already.
      const busy = placeOf({ ...run, priority: Infinity }, present)?.reason;
      const why = [...new Set([busy, place.reason])].filter(Boolean).join('; ');
      if (noQueue || maxQueuedRuns === 0)
        throw new TerminalError('failed_precondition', `${why}; wait for it or stop it`);
      if (present.waiting.length >= maxQueuedRuns)
        throw new TerminalError(
          'failed_precondition',
          `${why}, and the queue is full: ${present.waiting.length} runs wait, of at most ${maxQueuedRuns} (fleet.max_queued_runs); cancel one of ${present.waiting.map((each) => each.runId).join(', ')}, or wait`,
        );
      await queueRun(deps, request, signal);
      log.info({ run: runId, ...place }, 'a run waits in the queue');
      return place;
    },
    async next(signal) {
      if ((await waiting.list(signal)).length === 0) {
        events.queued(0);
        return undefined;
      }
      const present = await load(signal);
      const [first] = present.waiting;
      if (first === undefined || placeOf(first, present) !== undefined) return undefined;
      if (failed?.runId === first.runId && performance.now() - failed.atMs < pauseMs) return undefined;
      const { state } = await foldLedger(nats, first.runId, signal);
      const { recipeJson = '', directory = '', acceptChanged = [] } = state.queued ?? {};
      const asked = { runId: first.runId, recipeJson, directory, acceptChanged: [...acceptChanged] };
      return { ...asked, resume: true, priority: state.priority };
    },
    async begin(request, signal) {
      const { runId } = request;
      try {
        const { state } = await foldLedger(nats, runId, signal);
        if (state.queued?.fleetId === fleetId)
          await checkSubmission(deps, request, { ...state, life: 'stopped' }, signal);
        const options = { adopt: false, fromEarlierSelf: false, fromQueue: true, waitsForFiles: false };
        const run = await startRun(deps, request, options, signal);
        failed = undefined;
        if (run !== undefined) log.info({ run: runId }, 'a run leaves the queue and begins');
        return run;
      } catch (thrown) {
        const error = errorFrom(thrown);
        // Another coordinator begins it, or cancels it.
        if (signal.aborted || error.code === 'already_exists') return undefined;
        failed = { runId, message: error.message, atMs: performance.now() };
        log.warn({ err: error, run: runId }, 'a run of the queue could not begin');
        if (error instanceof TerminalError) await endWaitingRun(deps, runId, error.message, signal);
        return undefined;
      }
    },
    async placeIn({ runId, priority, queued }, recipe, signal) {
      const present = await load(signal);
      const isThere = present.waiting.some((each) => each.runId === runId);
      if (queued?.fleetId !== fleetId || !isThere)
        return {
          position: 0,
          reason: `it waits in no queue of this fleet: the one that it was submitted to has ended; 'gradus resume ${runId}' submits it here`,
        };
      const place = placeOf({ runId, priority, changesPolicy: changesPolicy(recipe) }, present) ?? {
        position: 1,
        reason: 'it begins now',
      };
      return failed?.runId === runId ? { ...place, reason: `it could not begin: ${failed.message}` } : place;
    },
  };
}
