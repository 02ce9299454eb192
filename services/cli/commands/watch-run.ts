import { toJson } from '@bufbuild/protobuf';
import { RunState, RunStatusSchema } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { RunStatus } from '#proto/coordinator/v1/coordinator_pb.ts';
import { retry } from '#shared/async/retry.ts';
import { CancelledError, TransientError, errorFrom } from '#shared/errors.ts';
import { followRun } from '../run/follow-run.ts';
import type { CoordinatorClient } from '../run/follow-run.ts';
import { createProgress } from '../run/progress.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { Interrupts } from './interrupts.ts';

export interface WatchOptions {
  readonly client: CoordinatorClient;
  readonly runId: string;
  readonly json: boolean;
  readonly terminal: Terminal;
  readonly interrupts: Interrupts;
  /** Aborts when the fleet cannot be kept running. */
  readonly failed: AbortSignal | undefined;
  /** Submits the run again after its coordinator has died. */
  readonly resubmit: () => Promise<void>;
}

const stopTimeoutMs = 30_000;
const stopNowTimeoutMs = 5_000;

/** Shows a run until it ends. Ctrl-C once drains it, twice stops it now; a coordinator that comes back gets it again. */
export async function watchRun(options: WatchOptions): Promise<RunStatus> {
  const { client, runId, terminal, interrupts, failed } = options;
  const giveUp = new AbortController();
  const signal = failed === undefined ? giveUp.signal : AbortSignal.any([giveUp.signal, failed]);
  const progress = createProgress(terminal);
  let latest: RunStatus | undefined;
  let asked = false;

  const askToStop = (now: boolean): void => {
    asked = true;
    client.stopRun({ runId, now }, { timeoutMs: now ? stopNowTimeoutMs : stopTimeoutMs }).catch((thrown: unknown) => {
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
    latest = status;
    if (options.json) terminal.out(JSON.stringify(toJson(RunStatusSchema, status)));
    else progress(status);
  };

  try {
    for (;;) {
      const last = await followRun(client, runId, signal, onStatus);
      if (asked || !wasInterrupted(last)) return last;
      await retry(options.resubmit, { signal, attempts: 10, baseMs: 200, maxMs: 3_000 });
      terminal.err('the coordinator is back and goes on with the run');
    }
  } catch (thrown) {
    if (failed?.aborted === true) {
      const why = errorFrom(failed.reason).message;
      throw new TransientError('unavailable', `the fleet broke down: ${why}`, { cause: thrown });
    }
    if (!giveUp.signal.aborted || latest === undefined) throw thrown;
    return { ...latest, state: RunState.STOPPED };
  }
}

/** A coordinator that was killed finds its runs in the ledger without an end and reports them so. */
export function wasInterrupted(status: Pick<RunStatus, 'state' | 'message'>): boolean {
  return status.state === RunState.STOPPED && status.message.startsWith('interrupted');
}
