import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { TerminalError } from '#platform/errors.ts';
import { hasEnded, stateWord } from '#run/live-status.ts';
import { exitCodes } from '../exit-codes.ts';
import { followRun } from '../run/follow-run.ts';
import { requestStop } from '../run/request-stop.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { requireRuns, type RunsPlace } from './open-runs.ts';

export interface CancelOptions extends RunsPlace {
  readonly now: boolean;
  readonly wait: boolean;
}

const waitMs = 15 * 60_000;

/** Stops a run that goes on; it can be resumed. One that has ended is refused: nothing would be cancelled. */
export async function cancelCommand(runId: string, options: CancelOptions, terminal: Terminal): Promise<number> {
  const coordinators = await requireRuns(options);
  try {
    const before = await coordinators.ask((client) => client.getRun({ runId }));
    if (hasEnded(before))
      throw new TerminalError(
        'failed_precondition',
        `run ${runId} has ended already (${stateWord(before.state)}); there is nothing to cancel`,
      );
    const reason = options.now ? 'gradus cancel --now' : 'gradus cancel';
    await requestStop(coordinators, { runId, now: options.now, reason });
    if (!options.wait) {
      terminal.out(`run ${runId} is asked to stop${options.now ? '' : ' after its step'}`);
      return exitCodes.ok;
    }
    using deadline = deadlineSignal(undefined, waitMs, `run ${runId} is asked to stop, and that`);
    const { state } = await followRun(coordinators, runId, deadline.signal, () => undefined);
    terminal.out(`run ${runId} is ${stateWord(state)}`);
    return exitCodes.ok;
  } finally {
    coordinators.close();
  }
}
