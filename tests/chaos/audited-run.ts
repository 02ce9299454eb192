import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { planRun } from '../../services/cli/run/run-plan.ts';
import { auditRun } from './audit.ts';
import type { Audit } from './audit.ts';
import { groupwiseNames, stalenessOf, weightsOf } from './chaos-recipe.ts';
import { learnerFinding } from './learner-chain.ts';
import type { FaultRecord } from './recovery-table.ts';
import { findStalls, stallFindings } from './stalls.ts';
import type { Stall } from './stalls.ts';
import { runWithFaults } from './fault-run.ts';
import type { FaultRunOptions } from './fault-run.ts';
import { progressTimes, recoveryFromStreams } from './stored-recovery.ts';
import { finalWeights, readStoredRun } from './stored-run.ts';
import type { StoredRun } from './stored-run.ts';

/** One run under faults and what its streams say of it. */
export interface AuditedRun {
  readonly runId: string;
  readonly faults: readonly FaultRecord[];
  /** Longest first. */
  readonly stalls: readonly Stall[];
  readonly seconds: number;
  readonly audit: Audit;
  readonly findings: readonly string[];
}

export interface AuditedOptions extends Omit<FaultRunOptions, 'expected' | 'recipeFile' | 'said'> {
  readonly recipe: string;
  /** Longest time without progress that P10 allows. */
  readonly longestStallMs: number;
  readonly say: (line: string) => void;
}

/** Runs a recipe under faults to its end, then reads its streams: rollouts, steps, the learner's weights (P1, P2, P5), and every stall (P10). */
export async function auditedRun(options: AuditedOptions): Promise<AuditedRun & { stored: StoredRun }> {
  const { home, runId, recipe, directory, signal, longestStallMs, say } = options;
  const recipeFile = `${runId}.yaml`;
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, recipeFile), recipe);
  const startedMs = performance.now();
  const expected = planRun(parseRecipe(recipe, recipeFile)).rollouts;
  const run = await runWithFaults({
    ...options,
    recipeFile,
    expected,
    said: (fault, share) => say(line(fault, share)),
  });
  const seconds = (performance.now() - startedMs) / 1000;
  const stored = await readStoredRun(home, runId, signal);
  const faults = recoveryFromStreams(run.faults, stored);
  const stalls = findStalls(progressTimes(stored), faults);
  const audit = auditOf(stored);
  return {
    runId,
    stored,
    faults,
    stalls,
    seconds,
    audit,
    findings: [
      ...run.findings,
      ...stallFindings(stalls, faults, longestStallMs),
      ...audit.findings,
      ...[learnerFinding(stored, await finalWeights(stored.entries))].filter((finding) => finding !== undefined),
      ...stored.deadLetters.map((reason) => `dead letter: ${reason}`),
    ],
  };
}

export function auditOf(stored: StoredRun): Audit {
  return auditRun({
    entries: stored.entries.map(({ value }) => value),
    results: stored.results.map(({ value }) => value),
    tasksLeft: stored.tasksLeft,
    maxStaleness: stalenessOf,
    weights: weightsOf,
    groupwise: groupwiseNames,
  });
}

function line({ number, label, action, atMs, fromMs, phase, recoveredMs, notes }: FaultRecord, share: number): string {
  const lasted = fromMs - atMs > 50 ? ` (${((fromMs - atMs) / 1000).toFixed(1)} s)` : '';
  const back = recoveredMs === undefined ? 'not seen to recover' : `back after ${(recoveredMs / 1000).toFixed(2)} s`;
  const at = new Date(atMs).toISOString().slice(11, 19);
  return [
    `${at} ${String(number).padStart(3)} ${String(Math.round(100 * share)).padStart(3)} % ${phase.padEnd(10)} ${action} ${label}${lasted}: ${back}`,
    ...notes.map((note) => `    ${note}`),
  ].join('\n');
}
