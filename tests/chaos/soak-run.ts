import { join } from 'node:path';
import { auditedRun } from './audited-run.ts';
import type { AuditedRun } from './audited-run.ts';
import { storeDisk } from './chaos-run.ts';
import type { ChaosOptions, ChaosReport } from './chaos-run.ts';
import { chaosRecipe } from './chaos-recipe.ts';
import { targetsOf } from './fault-cards.ts';
import { faultsByClock } from './fault-plan.ts';
import type { Fault } from './fault-plan.ts';
import type { FleetService } from './chaos-fleet.ts';

export interface SoakOptions extends Omit<ChaosOptions, 'faults'> {
  /** Faults come for so long; the run that they find then is finished without. */
  readonly minutes: number;
  readonly everyMs: number;
}

/** Steps of each stage of one run: some minutes, so that an hour's audit never holds more than that. */
const stageSteps = 20;

/** Runs one after the other in one home, under faults by the clock, each audited at its end. */
export async function runSoak(options: SoakOptions): Promise<ChaosReport> {
  const { seed, minutes, say, directory } = options;
  const untilMs = performance.now() + minutes * 60_000;
  const home = join(directory, 'runs');
  await using store = await storeDisk(home, options.without);
  const without = new Set([...options.without, ...(store.disk === undefined ? ['full-disk' as const] : [])]);
  const runs: AuditedRun[] = [];
  let source: Iterator<Fault> | undefined;
  let planned = 0;
  const faults = (services: readonly FleetService[]): Iterable<Fault> => {
    // One plan over all runs: it goes on where the run before it ended.
    source ??= faultsByClock({ ...options, without, targets: targetsOf(services) });
    const ongoing = source;
    return {
      *[Symbol.iterator]() {
        while (performance.now() < untilMs) {
          const { value, done } = ongoing.next();
          if (done === true) return;
          planned += 1;
          yield value;
        }
      },
    };
  };
  while (performance.now() < untilMs) {
    const runId = `soak-${runs.length + 1}`;
    const { stored: _stored, ...run } = await auditedRun({
      ...options,
      home,
      runId,
      disk: store.disk,
      recipe: chaosRecipe({ seed: seed + runs.length, stageSteps, turnMs: 180, trainMs: 700, workers: 2, engines: 2 }),
      faults,
    });
    runs.push(run);
    say(`${runId}: ${run.faults.length} faults in ${run.seconds.toFixed(0)} s, ${run.findings.length} findings`);
  }
  return {
    seed,
    planned,
    skipped: store.skipped,
    secondsWithout: 0,
    runs,
    records: 0,
    findings: runs.flatMap(({ runId, findings }) => findings.map((finding) => `${runId}: ${finding}`)),
  };
}
