import { toJson } from '@bufbuild/protobuf';
import { RunState, RunStatusSchema } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { RunStatus } from '#proto/coordinator/v1/coordinator_pb.ts';
import { CancelledError, TransientError, errorFrom } from '#shared/errors.ts';
import { followRun } from '../run/follow-run.ts';
import type { Coordinators } from '../run/coordinators.ts';
import { createProgress } from '../run/progress.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { Interrupts } from './interrupts.ts';

export interface WatchOptions {
  readonly coordinators: Coordinators;
  readonly runId: string;
  readonly json: boolean;
  readonly terminal: Terminal;
  readonly interrupts: Interrupts;
  /** Aborts when the fleet cannot be kept running. */
  readonly failed: AbortSignal | undefined;
}

const stopTimeoutMs = 30_000;
const stopNowTimeoutMs = 5_000;

/** Shows a run until it ends. Ctrl-C once drains it, twice stops it now. */
export async function watchRun(options: WatchOptions): Promise<RunStatus> {
  const { coordinators, runId, terminal, interrupts, failed } = options;
  const giveUp = new AbortController();
  const signal = failed === undefined ? giveUp.signal : AbortSignal.any([giveUp.signal, failed]);
  const progress = createProgress(terminal);
  let latest: RunStatus | undefined;

  const askToStop = (now: boolean): void => {
    const timeoutMs = now ? stopNowTimeoutMs : stopTimeoutMs;
    coordinators
      .ask((client) => client.stopRun({ runId, now }, { timeoutMs }))
      .catch((thrown: unknown) => {
        // Ending the fleet is the stop that always works; the ledger is safe.
        if (now) giveUp.abort(errorFrom(thrown));
        else terminal.err(`the coordinator did not take the request to stop: ${errorFrom(thrown).message}`);
      });
  };
  interrupts.onFirst(() => {
    terminal.err('stopping after the step in progress; Ctrl-C again stops now, and both can be resumed');
    askToStop(false);
  });
  interrupts.onSecond(() => {
    terminal.err('stopping now');
    askToStop(true);
    setTimeout(() => giveUp.abort(new CancelledError('cancelled', 'stopped')), stopNowTimeoutMs + 3_000).unref();
  });
  const onStatus = (status: RunStatus): void => {
    const wasLed = latest?.state !== RunState.INTERRUPTED;
    latest = status;
    const isLed = status.state !== RunState.INTERRUPTED;
    if (wasLed !== isLed)
      terminal.err(
        isLed ? 'a coordinator leads the run again' : 'the run has no coordinator; waiting for one to take over',
      );
    if (options.json) terminal.out(JSON.stringify(toJson(RunStatusSchema, status)));
    else progress(status);
  };

  try {
    return await followRun(coordinators, runId, signal, onStatus);
  } catch (thrown) {
    if (failed?.aborted === true) {
      const why = errorFrom(failed.reason).message;
      throw new TransientError('unavailable', `the fleet broke down: ${why}`, { cause: thrown });
    }
    if (!giveUp.signal.aborted || latest === undefined) throw thrown;
    return { ...latest, state: RunState.STOPPED };
  }
}
