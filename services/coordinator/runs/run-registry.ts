import type { SubmitRunRequest } from '#proto/coordinator/v1/coordinator_pb.ts';
import { TerminalError } from '#shared/errors.ts';
import { parseResolvedRecipe } from '#shared/recipe/resolve-recipe.ts';
import { foldLedger, ledgerRuns } from '../ledger/ledger-stream.ts';
import type { RunState } from '../ledger/run-state.ts';
import { runStatus } from './run-status.ts';
import type { RunStatusInit } from './run-status.ts';
import { startRun } from './start-run.ts';
import type { DrivenRun, RunDependencies } from './start-run.ts';

/** Runs that this process drives, and those that only their ledgers know. */
export interface RunRegistry {
  submit(request: SubmitRunRequest, signal: AbortSignal): Promise<string>;
  status(runId: string, signal: AbortSignal): Promise<RunStatusInit>;
  list(signal: AbortSignal): Promise<RunStatusInit[]>;
  driven(runId: string): DrivenRun | undefined;
  /** Stops every run now and waits until their ends are written. */
  stopAll(): Promise<void>;
}

const runIdPattern = /^[a-z0-9-]{1,64}$/;
const listedRuns = 256;

export function createRunRegistry(deps: RunDependencies): RunRegistry {
  const runs = new Map<string, DrivenRun>();
  const starting = new Set<string>();

  async function stored(runId: string, signal: AbortSignal): Promise<RunStatusInit> {
    const state = await foldLedger(deps.nats, runId, signal);
    if (state.life === 'new') throw unknownRun(runId);
    return runStatus({ state, recipe: recipeOf(state), progress: undefined, sinceLastEntryMs: 0 });
  }

  async function status(runId: string, signal: AbortSignal): Promise<RunStatusInit> {
    const run = runs.get(checkRunId(runId));
    if (run === undefined) return stored(runId, signal);
    return runStatus({
      state: run.state,
      recipe: run.recipe,
      progress: run.progress,
      sinceLastEntryMs: run.sinceLastEntryMs(),
    });
  }

  return {
    async submit(request, signal) {
      const runId = checkRunId(request.runId);
      if (runs.has(runId) || starting.has(runId)) {
        throw new TerminalError('already_exists', `run_id: '${runId}' is running; stop it first, or choose another id`);
      }
      const busy = runs.size + starting.size;
      if (busy >= deps.config.maxRuns) {
        const names = [...runs.keys(), ...starting].join(', ');
        throw new TerminalError(
          'failed_precondition',
          `this coordinator drives ${busy} of at most ${deps.config.maxRuns} runs (${names}); wait for it or stop it`,
        );
      }
      starting.add(runId);
      try {
        const run = await startRun(deps, request, signal);
        runs.set(runId, run);
        deps.events.runs(runs.size);
        // Never rejects; afterwards the ledger answers for the run.
        void run.ended.then(() => {
          runs.delete(runId);
          deps.events.runs(runs.size);
          run.board.update({});
        });
        return runId;
      } finally {
        starting.delete(runId);
      }
    },
    status,
    async list(signal) {
      const ids = new Set([...(await ledgerRuns(deps.nats)), ...runs.keys()]);
      const statuses: RunStatusInit[] = [];
      for (const runId of [...ids].sort().slice(0, listedRuns)) statuses.push(await status(runId, signal));
      return statuses;
    },
    driven: (runId) => runs.get(runId),
    async stopAll() {
      const all = [...runs.values()];
      for (const run of all) run.stop(true);
      await Promise.all(all.map((run) => run.ended));
    },
  };
}

export function unknownRun(runId: string): TerminalError {
  return new TerminalError('not_found', `run_id: there is no run '${runId}'`);
}

function checkRunId(runId: string): string {
  if (!runIdPattern.test(runId)) {
    throw new TerminalError('invalid_argument', `run_id: '${runId.slice(0, 80)}' must be 1 to 64 of a-z, 0-9 and -`);
  }
  return runId;
}

function recipeOf(state: RunState) {
  return parseResolvedRecipe(state.recipeJson).recipe;
}
