import { TerminalError } from '#platform/errors.ts';
import { currentStage } from './run-state.ts';
import type { RunState, StageState } from './run-state.ts';

/**
 * What a fact stands on. Each throws TerminalError('data_loss') where that is not there: the ledger is not whole then. `what` names the
 * fact.
 */

/** The stage that was entered last, of a run that is running. */
export function stageIn(state: RunState, what: string): StageState {
  const stage = currentStage(running(state, what));
  if (stage === undefined) throw misplaced(state, what, 'no stage was entered');
  return stage;
}

/** The state, of a run that is running. */
export function running(state: RunState, what: string): RunState {
  if (state.life !== 'running') throw misplaced(state, what, `the run is ${state.life}`);
  return state;
}

/** The state, of a run that was started, whatever became of it. */
export function started(state: RunState, what: string): RunState {
  if (state.life === 'new') throw misplaced(state, what, 'the run was not started');
  return state;
}

/** The error of a fact that cannot follow. */
export function misplaced(state: RunState, what: string, why: string): TerminalError {
  return new TerminalError(
    'data_loss',
    `the ledger of run ${state.runId} is not whole: ${what} after ${state.entries} entries, but ${why}`,
    {
      details: { runId: state.runId, entries: state.entries },
    },
  );
}
