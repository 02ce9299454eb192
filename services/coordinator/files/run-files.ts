import { mkdir, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { recipeText, runFileNames } from '#run/directory/places.ts';
import type { ResolvedRecipe } from '#recipe/resolve-recipe.ts';
import { storedResults } from '#run/rollouts/results.ts';
import { createAccount } from '#run/rollouts/accounting.ts';
import type { RolloutTotals } from '#run/rollouts/accounting.ts';
import { createTrainingEndings } from '#run/rollouts/training-endings.ts';
import type { TrainingEndings } from '#run/rollouts/training-endings.ts';
import { foldEntry } from '#run/ledger/fold.ts';
import { readLedger } from '#run/ledger/read-ledger.ts';
import { newRunState } from '#run/ledger/run-state.ts';
import type { RunState } from '#run/ledger/run-state.ts';
import { appendLine } from './append-line.ts';
import { metricsLine } from '#run/directory/metrics-lines.ts';
import { buildSummary } from '#run/directory/build-summary.ts';
import { writeAtomically } from '#platform/files/write-atomically.ts';

/** The files in a run's directory that the coordinator writes. All of them can be made again from the ledger. */
export interface RunFiles {
  /** Makes recipe.json and metrics.jsonl agree with the ledger. */
  restore(signal: AbortSignal): Promise<void>;
  /** Waits where its disk is full, until one of the signals; `onWait` hears it once. */
  entry(
    entry: LedgerEntry,
    after: RunState,
    onWait: (error: Error) => void,
    until: { readonly signal: AbortSignal; readonly stop: AbortSignal },
  ): Promise<void>;
  writeSummary(state: RunState, signal: AbortSignal): Promise<RolloutTotals>;
  close(): Promise<void>;
}

/** `mayWrite` throws when another coordinator has the run, and with it these files. */
export function createRunFiles(
  nats: Nats,
  runId: string,
  directory: string,
  resolved: ResolvedRecipe,
  mayWrite: (signal: AbortSignal) => Promise<void>,
): RunFiles {
  const metricsPath = join(directory, runFileNames.metrics);
  // Held open: a next leader replaces the file, and what this one may still write goes to the old one.
  let metrics: FileHandle | undefined;
  return {
    async restore(signal) {
      await mkdir(directory, { recursive: true });
      await writeAtomically(join(directory, runFileNames.recipe), recipeText(resolved, directory));
      let lines = '';
      let state = newRunState(runId);
      for await (const entry of readLedger(nats, runId, signal)) {
        state = foldEntry(state, entry);
        lines += metricsLine(entry, state) ?? '';
      }
      await writeAtomically(metricsPath, lines);
      await metrics?.close();
      metrics = await open(metricsPath, 'a');
    },
    async entry(entry, after, onWait, until) {
      const line = metricsLine(entry, after);
      const file = metrics;
      if (line === undefined || file === undefined) return;
      await appendLine(file, line, onWait, until);
    },
    async writeSummary(state, signal) {
      const { totals, endings } = await auditRun(nats, runId, signal);
      await mayWrite(signal);
      await writeAtomically(
        join(directory, runFileNames.summary),
        `${JSON.stringify(buildSummary(resolved, state, totals, endings), null, 2)}\n`,
      );
      return totals;
    },
    async close() {
      await metrics?.close();
      metrics = undefined;
    },
  };
}

/** Reads the whole ledger and all results of a run, and accounts for every rollout. */
export async function auditRun(
  nats: Nats,
  runId: string,
  signal: AbortSignal,
): Promise<{ readonly totals: RolloutTotals; readonly endings: TrainingEndings }> {
  const account = createAccount();
  const endings = createTrainingEndings();
  for await (const entry of readLedger(nats, runId, signal)) account.entry(entry);
  for await (const result of storedResults(nats, runId, signal)) {
    if (account.result(result)) endings.add(result);
  }
  return { totals: account.totals(), endings };
}
