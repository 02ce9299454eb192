import { sleep } from '#platform/async/sleep.ts';
import { errorFrom } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { readLease } from '#platform/nats/lease.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import type { CoordinatorEvents } from '../events.ts';
import type { RolloutShares } from '../runs/rollout-shares.ts';
import type { RunRegistry } from '../runs/run-registry.ts';
import { changesPolicy } from '#stages/kit/kinds.ts';
import type { RunningRun, RunningRuns } from './running-runs.ts';

export interface AdoptOptions {
  readonly nats: Nats;
  readonly registry: RunRegistry;
  readonly running: RunningRuns;
  /** Hears which runs go on. */
  readonly shares: Pick<RolloutShares, 'observe'>;
  readonly holder: string;
  readonly events: CoordinatorEvents;
  readonly log: Logger;
  /** Ends the watch, quietly. */
  readonly signal: AbortSignal;
}

/** One small request, and one for each run that is not led here: far less than a run itself asks for. */
const pollMs = 250;
/** A run that could not be taken over is not tried again at once: files may be missing here, and it may go on elsewhere. */
const pauseMs = 5_000;
/** For so long files that a run stands on and that are not here are waited for; then the run is ended with their names. */
const absentFilesMs = 20_000;
/** A server that restarts is back sooner. */
const sayBlindMs = 10_000;

/** Takes over the runs of this fleet that nobody leads, and begins those that wait for a place, until it is asked to stop. */
export async function adoptRuns(options: AdoptOptions): Promise<void> {
  const { nats, registry, running, shares, log, signal } = options;
  /** Runs that nobody leads and that could not be taken over here: since when, and when that was tried last. */
  const failed = new Map<string, { readonly sinceMs: number; readonly lastMs: number }>();
  let first = true;
  /** Since when the runs cannot be read; undefined while they can. */
  let blindMs: number | undefined;
  let saidBlind = false;

  async function lookAt(runId: string): Promise<void> {
    const lease = await readLease(nats, runId, signal);
    // What is under our own name when we start was left behind by the process that we replace.
    const fromEarlierSelf = first && lease?.holder === options.holder;
    if (lease !== undefined && !fromEarlierSelf) {
      failed.delete(runId);
      return;
    }
    const sinceMs = failed.get(runId)?.sinceMs ?? performance.now();
    const waitsForFiles = performance.now() - sinceMs < absentFilesMs;
    try {
      if (!(await registry.adopt(runId, { fromEarlierSelf, waitsForFiles }, signal))) return;
      failed.delete(runId);
      options.events.adopted('adopted');
      log.info({ run: runId, from: lease?.holder }, 'a run without a leader is taken over');
    } catch (thrown) {
      if (signal.aborted) return;
      const error = errorFrom(thrown);
      // Two saw it at the same moment, and the other one has it.
      if (error.code === 'already_exists') return;
      failed.set(runId, { sinceMs, lastMs: performance.now() });
      options.events.adopted('failed');
      log.warn({ err: error, run: runId }, 'a run without a leader could not be taken over here');
    }
  }

  let beginning: Promise<void> | undefined;
  async function beginWaiting(): Promise<void> {
    try {
      await registry.startWaiting(signal);
    } catch (thrown) {
      if (!signal.aborted) log.warn({ err: errorFrom(thrown) }, 'the queue could not be looked at; it is asked again');
    }
  }

  while (!signal.aborted) {
    try {
      const listed = await running.list(signal);
      const described = listed.length > 1 ? await running.describe(listed, signal) : new Map<string, RunningRun>();
      shares.observe(new Map([...described].map(([runId, { priority }]) => [runId, priority])));
      const own = registry.own();
      for (const runId of listed) {
        const pausing = performance.now() - (failed.get(runId)?.lastMs ?? -Infinity) < pauseMs;
        if (!own.includes(runId) && !pausing) await lookAt(runId);
      }
      for (const runId of failed.keys()) if (!listed.includes(runId)) failed.delete(runId);
      // Lost with its bucket: without it nobody would look for the run.
      for (const runId of own) {
        const run = listed.includes(runId) ? undefined : registry.driven(runId);
        if (run?.state.life === 'running')
          await running.add(runId, { priority: run.state.priority, changesPolicy: changesPolicy(run.recipe) }, signal);
      }
      // Beside this loop: a run that takes long to begin keeps no other from being taken over.
      beginning ??= beginWaiting().finally(() => (beginning = undefined));
      first = false;
      if (saidBlind) log.info('the runs of the fleet can be read again');
      blindMs = undefined;
      saidBlind = false;
    } catch (thrown) {
      blindMs ??= performance.now();
      const isLong = performance.now() - blindMs >= sayBlindMs;
      if (!signal.aborted && isLong && !saidBlind) {
        saidBlind = true;
        log.warn(
          { err: errorFrom(thrown) },
          'the runs of the fleet cannot be read; a run without a leader is not taken over until they can',
        );
      }
    }
    await sleep(pollMs, signal).catch(() => undefined);
  }
  await beginning;
}
