import { sleep } from '#platform/async/sleep.ts';
import { CancelledError, errorFrom } from '#platform/errors.ts';
import { readFleetFile } from '../../services/fleet/fleet-file.ts';
import { isAlone, needsResume, supervisor } from './fault-cards.ts';
import type { Fault } from './fault-plan.ts';
import { injectFault } from './inject-fault.ts';
import type { FaultRecord } from './recovery-table.ts';
import type { StoreDisk } from './store-disk.ts';
import { createChaosFleet } from './chaos-fleet.ts';
import type { FleetService, ChaosFleet } from './chaos-fleet.ts';

export interface FaultRunOptions {
  /** Where `gradus` is started, with its recipe. */
  readonly directory: string;
  readonly home: string;
  readonly runId: string;
  readonly recipeFile: string;
  readonly disk: StoreDisk | undefined;
  /** Rollouts of the whole run. */
  readonly expected: number;
  /** Called once the services are known. Ends when no more faults are wanted. */
  readonly faults: (services: readonly FleetService[]) => Iterable<Fault>;
  readonly signal: AbortSignal;
  readonly said: (fault: FaultRecord, share: number) => void;
}

export interface FaultRun {
  readonly faults: readonly FaultRecord[];
  /** What was not as it should be, in words. */
  readonly findings: readonly string[];
}

/** A run that stands still for so long is ended and resumed by us, so that the next faults find one that goes on. */
const standstillMs = 120_000;
const mostRescues = 8;
/** Faults by the clock that may wait for their recovery at once. */
const mostAtOnce = 4;

/** One run from its start to its end, under faults. Whatever does not heal is healed by hand and is a finding. */
export async function runWithFaults(options: FaultRunOptions): Promise<FaultRun> {
  const { directory, home, runId, signal } = options;
  const faults: FaultRecord[] = [];
  const findings: string[] = [];
  await using fleet = createChaosFleet({ directory, home, runId, signal });
  await fleet.start('run', options.recipeFile, '--run-id', runId);
  await fleet.attach();
  const { services } = await fleetFileOf(fleet);
  let rescues = 0;
  let next: Fault | undefined;
  const source = options.faults(services)[Symbol.iterator]();

  const record = (fault: FaultRecord): void => {
    faults.push(fault);
    options.said(fault, (fleet.run.exit === undefined ? answeredOf(fleet) : options.expected) / options.expected);
    findings.push(...fault.notes.map((note) => `fault ${fault.number} (${fault.action}, ${fault.label}): ${note}`));
    if (fault.recoveredMs === undefined && !fleet.finished)
      findings.push(
        `recovery: ${fault.label} was not seen to work again after fault ${fault.number} (${fault.action})`,
      );
  };

  /** Until the run ends or something is wrong with it. */
  async function strikeAll(watch: AbortSignal): Promise<void> {
    const pending = new Map<Promise<void>, Fault>();
    try {
      for (;;) {
        next ??= source.next().value;
        if (next === undefined) break;
        const fault = next;
        if (!(await fleet.live.until(fault.moment, options.expected, watch))) break;
        // Of two that stop one process, the first to end would wake it for both.
        if (!fault.together || isAlone(fault) || [...pending.values()].some((other) => shareTarget(other, fault)))
          await Promise.all(pending.keys());
        while (pending.size >= mostAtOnce) await Promise.race(pending.keys());
        await sleep(fault.delayMs, watch);
        next = undefined;
        const struck = injectFault(fault, fleet, options.disk, needsResume(fault) ? signal : watch).then(record);
        pending.set(struck, fault);
        // One that failed stays, and fails anyone who waits for all; nobody does when the run ends before.
        struck.then(
          () => pending.delete(struck),
          () => {},
        );
        if (isAlone(fault)) await struck;
        if (fleet.run.exit !== undefined || fleet.lost !== watched) return;
      }
      await Promise.all(pending.keys());
      await endOf(fleet, watch);
    } finally {
      await Promise.allSettled(pending.keys());
    }
  }

  let watched = fleet.lost;
  while (exitOf(fleet) === undefined) {
    watched = fleet.lost;
    using standstill = watchStandstill(fleet);
    const watch = AbortSignal.any([signal, watched, standstill.signal]);
    try {
      await strikeAll(watch);
    } catch (thrown) {
      signal.throwIfAborted();
      if (fleet.finished) break;
      rescues += 1;
      findings.push(`rescue: ${reasonOf(fleet, standstill.signal, thrown)}; last fault: ${faults.at(-1)?.number ?? 0}`);
      if (rescues > mostRescues) break;
      try {
        record(await rescue(fleet, -rescues));
      } catch (failed) {
        findings.push(`rescue: ${errorFrom(failed).message}`);
        break;
      }
    }
  }
  const { exit, logFile } = fleet.run;
  if (!fleet.finished) findings.push(`end: gradus ended with ${exit ?? 'nothing'}; see ${logFile}`);
  await fleet.expectEnd();
  findings.push(...(await fleet.endLeftovers()).map((left) => `left behind: ${left} still runs after the run's end`));
  return { faults: faults.toSorted((a, b) => a.atMs - b.atMs), findings };
}

async function fleetFileOf(fleet: ChaosFleet): Promise<{ services: readonly FleetService[] }> {
  return { services: (await readFleetFile(fleet.home))?.services ?? [] };
}

function shareTarget(one: Fault, other: Fault): boolean {
  return one.targets.some(({ label }) => other.targets.some((target) => target.label === label));
}

function exitOf(fleet: ChaosFleet): string | undefined {
  return fleet.run.exit;
}

function reasonOf(fleet: ChaosFleet, standstill: AbortSignal, thrown: unknown): string {
  const { exit, lastWords } = fleet.run;
  if (exit !== undefined) return `gradus ended with ${exit} by itself (${lastWords.split('\n').at(-1) ?? ''})`;
  if (standstill.aborted) return `no progress for ${standstillMs / 1000} s; it was killed and resumed by hand`;
  return `a fault could not be made: ${errorFrom(thrown).message}`;
}

function answeredOf(fleet: ChaosFleet): number {
  try {
    return fleet.live.answered;
  } catch {
    // Down just now.
    return 0;
  }
}

/** Resolves when the run has ended by itself. */
async function endOf(fleet: ChaosFleet, watch: AbortSignal): Promise<void> {
  while (fleet.run.exit === undefined) await sleep(100, watch);
}

function watchStandstill(fleet: ChaosFleet): Disposable & { readonly signal: AbortSignal } {
  const still = new AbortController();
  let seen = -1;
  let sinceMs = performance.now();
  const timer = setInterval(() => {
    let now: number;
    try {
      now = fleet.live.progress;
    } catch {
      // Ended by a fault and not resumed yet: that has bounds of its own.
      now = -1;
    }
    if (now !== seen || now === -1) sinceMs = performance.now();
    seen = now;
    if (performance.now() - sinceMs > standstillMs)
      still.abort(new CancelledError('cancelled', 'the run stands still'));
  }, 1_000);
  return { signal: still.signal, [Symbol.dispose]: () => clearInterval(timer) };
}

/** Kills what is left of the fleet and resumes: the last resort, counted as a fault of ours. */
async function rescue(fleet: ChaosFleet, number: number): Promise<FaultRecord> {
  const atMs = Date.now();
  const { run } = fleet;
  await fleet.expectEnd();
  if (run.exit === undefined) process.kill(run.pid, 'SIGKILL');
  await run.exited;
  await fleet.endLeftovers();
  const { atMs: fromMs, ends } = await fleet.resume();
  return {
    number,
    label: supervisor.label,
    service: 'rescue by hand',
    action: 'kill',
    atMs,
    fromMs,
    excusedUntilMs: fromMs,
    phase: 'start',
    recoveredMs: Date.now() - fromMs,
    notes: ends.map((end) => `the start ended with ${end}`),
  };
}
