import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '#shared/async/sleep.ts';
import { TransientError, errorFrom } from '#shared/errors.ts';
import { parseRecipe } from '#shared/recipe/parse-recipe.ts';
import { readFleetFile } from '../../services/cli/fleet/fleet-file.ts';
import type { FleetFile } from '../../services/cli/fleet/fleet-file.ts';
import { planRun } from '../../services/cli/run/run-plan.ts';
import { accountingRecords, firstDifference } from './accounting-records.ts';
import { auditRun } from './audit.ts';
import type { Audit } from './audit.ts';
import { chaosRecipe } from './chaos-recipe.ts';
import { planFaults } from './fault-plan.ts';
import type { Fault, Target } from './fault-plan.ts';
import { startGradusRun } from './gradus-run.ts';
import { injectFault } from './inject-fault.ts';
import { learnerFinding } from './learner-chain.ts';
import { watchLiveRun } from './live-run.ts';
import type { FaultRecord } from './recovery-table.ts';
import { recoveryFromStreams } from './stored-recovery.ts';
import { finalWeights, readStoredRun } from './stored-run.ts';
import type { StoredRun } from './stored-run.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly faults: number;
  /** Aim at this service only. */
  readonly only: string | undefined;
  /** Absolute, empty or missing. Holds both runs, their logs and the report. */
  readonly directory: string;
  readonly longestFreezeMs: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly seed: number;
  readonly planned: number;
  readonly faults: readonly FaultRecord[];
  readonly secondsWithout: number;
  readonly secondsWith: number;
  readonly audit: Audit;
  readonly deadLetters: number;
  readonly records: number;
  /** What is wrong, in words; empty when every promise was kept. */
  readonly findings: readonly string[];
}

const runId = 'chaos';
const startTimeoutMs = 300_000;

/** Steps of a stage, so that faults find work to disturb: each takes about as long as a step. */
function stageSteps(faults: number): number {
  return Math.max(3, Math.ceil(faults * 0.6));
}

/** One run without faults and one of the same recipe and seed with them; then their accountings are compared. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, say } = options;
  const base = { seed, stageSteps: stageSteps(options.faults), workers: 2, engines: 2 };
  say('a run without faults, for its accounting');
  const calm = await calmRun(options, chaosRecipe({ ...base, turnMs: 1, trainMs: 0 }));
  say(`it took ${calm.seconds.toFixed(0)} s; now the same with ${options.faults} faults, seed ${seed}`);
  const stormy = await stormyRun(options, chaosRecipe({ ...base, turnMs: 120, trainMs: 300 }), base.stageSteps * 2);

  const audit = auditOf(stormy.stored);
  const calmAudit = auditOf(calm.stored);
  const calmRecords = accountingRecords(calm.stored.entries.map(({ value }) => value));
  const difference = firstDifference(calmRecords, accountingRecords(stormy.stored.entries.map(({ value }) => value)));
  const weights = await finalWeights(stormy.stored.entries);
  const findings = [
    ...calmAudit.findings.map((finding) => `without faults: ${finding}`),
    ...audit.findings,
    ...stormy.findings,
    ...(difference === undefined ? [] : [`accounting: ${difference}`]),
    ...[learnerFinding(stormy.stored, weights)].filter((finding) => finding !== undefined),
    ...(weights.equals(await finalWeights(calm.stored.entries))
      ? []
      : ['learner: the two runs end with other weights']),
    ...stormy.stored.deadLetters.map((reason) => `dead letter: ${reason}`),
  ];
  return {
    seed,
    planned: options.faults,
    faults: recoveryFromStreams(stormy.faults, stormy.stored),
    secondsWithout: calm.seconds,
    secondsWith: stormy.seconds,
    audit,
    deadLetters: stormy.stored.deadLetters.length,
    records: calmRecords.length,
    findings,
  };
}

function auditOf(stored: StoredRun): Audit {
  return auditRun({
    entries: stored.entries.map(({ value }) => value),
    results: stored.results.map(({ value }) => value),
    tasksLeft: stored.tasksLeft,
    maxStaleness: 0,
  });
}

interface Prepared {
  readonly home: string;
  readonly directory: string;
  readonly args: readonly string[];
}

async function prepare(options: ChaosOptions, name: string, recipe: string): Promise<Prepared> {
  const directory = join(options.directory, name);
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'chaos.yaml'), recipe);
  return { directory, home: join(directory, 'runs'), args: ['run', 'chaos.yaml', '--run-id', runId] };
}

async function calmRun(options: ChaosOptions, recipe: string): Promise<{ stored: StoredRun; seconds: number }> {
  const { directory, home, args } = await prepare(options, 'calm', recipe);
  const startedMs = performance.now();
  await using run = await startGradusRun(directory, ...args);
  const exit = await endOf(run.exited, options.signal);
  if (exit !== '0')
    throw new TransientError('unavailable', `the run without faults ended with ${exit}: ${run.logFile}`);
  return { stored: await readStoredRun(home, runId, options.signal), seconds: (performance.now() - startedMs) / 1000 };
}

interface Stormy {
  readonly stored: StoredRun;
  readonly faults: readonly FaultRecord[];
  readonly findings: readonly string[];
  readonly seconds: number;
}

async function stormyRun(options: ChaosOptions, recipe: string, steps: number): Promise<Stormy> {
  const { signal, say } = options;
  const { directory, home, args } = await prepare(options, 'stormy', recipe);
  const expected = planRun(parseRecipe(recipe, 'chaos.yaml'), []).rollouts;
  const startedMs = performance.now();
  const findings: string[] = [];
  await using run = await startGradusRun(directory, ...args);
  const fleet = await startedFleet(home, () => run.exit);
  const plan = planFaults({
    seed: options.seed,
    count: options.faults,
    targets: targetsOf(fleet, options.only),
    steps,
    longestFreezeMs: options.longestFreezeMs,
  });
  const faults: FaultRecord[] = [];
  {
    await using live = await watchLiveRun(fleet.natsUrl, runId, signal);
    const ended = new AbortController();
    void run.exited.then(() => ended.abort());
    const during = AbortSignal.any([signal, ended.signal]);
    const strike = async (fault: Fault): Promise<void> => {
      const record = await injectFault(fault, home, live, during);
      faults.push(record);
      say(line(record, plan.length, live.answered, expected));
      if (record.recoveredMs === undefined)
        findings.push(`recovery: ${record.label} was not seen to work again after fault ${record.number}`);
    };
    let pending: Promise<void>[] = [];
    try {
      for (const fault of plan) {
        if (!(await live.until(fault.moment, expected, during))) break;
        if (!fault.together) {
          await Promise.all(pending);
          pending = [];
        }
        await sleep(fault.delayMs, during);
        pending.push(strike(fault));
      }
      await Promise.all(pending);
    } catch (thrown) {
      await Promise.allSettled(pending);
      if (!ended.signal.aborted) throw thrown;
      findings.push(`faults: the run ended under them (${errorFrom(thrown).message})`);
    }
    const exit = await endOf(run.exited, signal);
    if (exit !== '0') findings.push(`end: gradus run ended with ${exit}; see ${run.logFile}`);
  }
  if (faults.length < plan.length)
    findings.push(`faults: the run was over after ${faults.length} of ${plan.length} faults`);
  const seconds = (performance.now() - startedMs) / 1000;
  return { stored: await readStoredRun(home, runId, signal), faults, findings, seconds };
}

function targetsOf(fleet: FleetFile, only: string | undefined): Target[] {
  const all = fleet.services.map(({ label, service }) => ({ label, service }));
  const chosen = only === undefined ? all : all.filter(({ label, service }) => label === only || service === only);
  if (chosen.length > 0) return chosen;
  const names = [...new Set(all.map(({ service }) => service))].join(', ');
  throw new TransientError('unavailable', `--only: there is no service '${only ?? ''}' in the fleet; it has ${names}`);
}

async function startedFleet(home: string, exit: () => string | undefined): Promise<FleetFile> {
  const untilMs = performance.now() + startTimeoutMs;
  while (performance.now() < untilMs && exit() === undefined) {
    const file = await readFleetFile(home).catch(() => undefined);
    // Workers start last.
    if (file?.services.some(({ service }) => service === 'rollout') === true) return file;
    await sleep(100, undefined);
  }
  throw new TransientError('unavailable', `the fleet in ${home} did not start (exit ${exit() ?? 'none'})`);
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

function line(record: FaultRecord, planned: number, answered: number, expected: number): string {
  const { number, label, action, freezeMs, phase, recoveredMs } = record;
  const what = action === 'kill' ? 'killed' : `frozen for ${(freezeMs / 1000).toFixed(1)} s`;
  const back = recoveredMs === undefined ? 'not seen to recover' : `back after ${(recoveredMs / 1000).toFixed(2)} s`;
  const share = Math.round((100 * answered) / expected);
  return `${String(number).padStart(3)}/${planned} ${String(share).padStart(3)} % ${phase.padEnd(10)} ${label} ${what}: ${back}`;
}
