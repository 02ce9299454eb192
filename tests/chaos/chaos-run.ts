import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TransientError, errorFrom } from '#platform/errors.ts';
import { accountingRecords, firstDifference } from './accounting-records.ts';
import { auditOf, auditedRun } from './audited-run.ts';
import type { AuditedRun } from './audited-run.ts';
import { chaosRecipe, stalenessOf } from './chaos-recipe.ts';
import { targetsOf } from './fault-cards.ts';
import type { Action } from './fault-cards.ts';
import { planFaults } from './fault-plan.ts';
import type { Fault } from './fault-plan.ts';
import { startGradusRun } from './gradus-run.ts';
import { mountStoreDisk } from './store-disk.ts';
import type { StoreDisk } from './store-disk.ts';
import type { FleetService } from './chaos-fleet.ts';
import { finalWeights, readStoredRun } from './stored-run.ts';
import type { StoredRun } from './stored-run.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly faults: number;
  /** Aim at this service only. */
  readonly only: string | undefined;
  readonly without: ReadonlySet<Action>;
  /** Absolute, empty or missing. Holds both runs, their logs and the report. */
  readonly directory: string;
  readonly longestFreezeMs: number;
  readonly longestStallMs: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly seed: number;
  readonly planned: number;
  /** Why faults were left out. */
  readonly skipped: readonly string[];
  readonly secondsWithout: number;
  readonly runs: readonly AuditedRun[];
  /** Records of both accountings that were compared. */
  readonly records: number;
  /** What is wrong, in words; empty when every promise was kept. */
  readonly findings: readonly string[];
}

const runId = 'chaos';

/** Steps of a stage, so that faults find work to disturb: each takes about as long as a step. */
function stageSteps(faults: number): number {
  return Math.max(8, Math.ceil(faults * 0.45));
}

/** One run without faults and one of the same recipe and seed with them; then their accountings are compared. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, say, directory, signal } = options;
  const base = { seed, stageSteps: stageSteps(options.faults), workers: 2, engines: 2 };
  say('a run without faults, for its accounting');
  const undisturbed = await undisturbedRun(options, chaosRecipe({ ...base, turnMs: 1, trainMs: 0 }));
  say(`it took ${undisturbed.seconds.toFixed(0)} s; now the same with ${options.faults} faults, seed ${seed}`);

  const home = join(directory, 'faulty/runs');
  await using store = await storeDisk(home, options.without);
  const without = new Set([...options.without, ...(store.disk === undefined ? ['full-disk' as const] : [])]);
  let planned: readonly Fault[] = [];
  const faulty = await auditedRun({
    ...options,
    directory: join(directory, 'faulty'),
    home,
    runId,
    disk: store.disk,
    recipe: chaosRecipe({ ...base, turnMs: 180, trainMs: 700 }),
    faults: (services: readonly FleetService[]) =>
      (planned = planFaults({
        seed,
        count: options.faults,
        targets: targetsOf(services),
        only: options.only,
        without,
        steps: base.stageSteps * stalenessOf.size,
        longestFreezeMs: options.longestFreezeMs,
      })),
    signal,
  });
  const struck = faulty.faults.filter(({ number }) => number > 0).length;

  const leeway = { asynchronous: new Set([...stalenessOf].flatMap(([stage, most]) => (most > 0 ? [stage] : []))) };
  const recordsOf = ({ entries }: StoredRun) =>
    accountingRecords(
      entries.map(({ value }) => value),
      leeway,
    );
  const undisturbedRecords = recordsOf(undisturbed.stored);
  const difference = firstDifference(undisturbedRecords, recordsOf(faulty.stored));
  const weights = [await finalWeights(undisturbed.stored.entries), await finalWeights(faulty.stored.entries)];
  const { stored: _stored, ...run } = faulty;
  return {
    seed,
    planned: planned.length,
    skipped: store.skipped,
    secondsWithout: undisturbed.seconds,
    runs: [run],
    records: undisturbedRecords.length,
    findings: [
      ...auditOf(undisturbed.stored).findings.map((finding) => `without faults: ${finding}`),
      ...faulty.findings,
      ...(struck < planned.length ? [`faults: the run was over after ${struck} of ${planned.length} faults`] : []),
      ...(difference === undefined ? [] : [`accounting: ${difference}`]),
      ...(weights[0]?.equals(weights[1] ?? Buffer.alloc(0)) === true
        ? []
        : ['learner: the two runs end with other weights']),
    ],
  };
}

/** A disk for the store of NATS in `home`, unless none is wanted or none can be had. */
export async function storeDisk(
  home: string,
  without: ReadonlySet<Action>,
): Promise<{ disk: StoreDisk | undefined; skipped: readonly string[] } & AsyncDisposable> {
  const disk = without.has('full-disk') ? undefined : await mountStoreDisk(join(home, 'nats'));
  const mounted = typeof disk === 'string' ? undefined : disk;
  return {
    disk: mounted,
    skipped: typeof disk === 'string' ? [`full-disk: ${disk}`] : [],
    [Symbol.asyncDispose]: async () => await mounted?.[Symbol.asyncDispose](),
  };
}

async function undisturbedRun(options: ChaosOptions, recipe: string): Promise<{ stored: StoredRun; seconds: number }> {
  const directory = join(options.directory, 'undisturbed');
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'chaos.yaml'), recipe);
  const startedMs = performance.now();
  await using run = await startGradusRun(directory, 'run', 'chaos.yaml', '--run-id', runId);
  const exit = await endOf(run.exited, options.signal);
  if (exit !== '0')
    throw new TransientError('unavailable', `the run without faults ended with ${exit}: ${run.logFile}`);
  const stored = await readStoredRun(join(directory, 'runs'), runId, options.signal);
  return { stored, seconds: (performance.now() - startedMs) / 1000 };
}

async function endOf(exited: Promise<string>, signal: AbortSignal): Promise<string> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(errorFrom(signal.reason));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([exited, late]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
