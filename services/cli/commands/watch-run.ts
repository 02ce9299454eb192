import { RunState, type RunStatus, RunStatusSchema } from '#proto/coordinator/v1/coordinator_pb.ts';
import { CancelledError, TransientError, errorFrom } from '#platform/errors.ts';
import type { DiskWatch } from '#fleet/disk/watch-disks.ts';
import { followRun } from '../run/follow-run.ts';
import { requestStop } from '../run/request-stop.ts';
import type { Coordinators } from '../run/coordinators.ts';
import { createProgress } from '../run/progress.ts';
import { createRolloutSampler } from '../run/sample-rollouts.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { Interrupts } from './interrupts.ts';
import { jsonLine, messageJson } from '../terminal/json-line.ts';

export interface WatchOptions {
  readonly coordinators: Coordinators;
  readonly runId: string;
  readonly home: string;
  readonly json: boolean;
  readonly samples: boolean;
  readonly terminal: Terminal;
  readonly interrupts: Interrupts;
  /** Aborts when the fleet cannot be kept running. */
  readonly failed: AbortSignal | undefined;
  /** Of what the run writes to. */
  readonly disk: DiskWatch;
}

/** The second Ctrl-C waits for no longer; ending the fleet is the stop that always works, and the ledger is safe. */
const stopNowMs = 8_000;

/** Shows a run until it ends. Ctrl-C once drains it, twice stops it now. */
export async function watchRun(options: WatchOptions): Promise<RunStatus> {
  const { coordinators, runId, terminal, interrupts, failed } = options;
  const giveUp = new AbortController();
  const signal = failed === undefined ? giveUp.signal : AbortSignal.any([giveUp.signal, failed]);
  const progress = createProgress(terminal);
  const sampler = options.samples && !options.json ? createRolloutSampler(options, terminal) : undefined;
  let latest: RunStatus | undefined;

  let recorded = false;
  const askToStop = async (now: boolean): Promise<void> => {
    try {
      const reason = now ? 'second Ctrl-C or signal' : 'Ctrl-C or signal';
      await requestStop(
        coordinators,
        { runId, now, reason },
        {
          signal,
          ...(now && { withinMs: stopNowMs }),
          onRetry: (error, withinMs) =>
            terminal.err(
              `no coordinator has taken the request to stop yet (${error.message}); asking for up to ${withinMs / 1000} s`,
            ),
        },
      );
      recorded = true;
    } catch (thrown) {
      if (signal.aborted) return;
      if (now) giveUp.abort(errorFrom(thrown));
      else terminal.err(errorFrom(thrown).message);
    }
  };
  interrupts.onFirst(() => {
    terminal.err('stopping after the step in progress; Ctrl-C again stops now, and both can be resumed');
    void askToStop(false);
  });
  interrupts.onSecond(() => {
    terminal.err('stopping now');
    void askToStop(true);
    setTimeout(() => giveUp.abort(new CancelledError('cancelled', 'stopped')), stopNowMs).unref();
  });
  const onStatus = (status: RunStatus): void => {
    const wasLed = latest?.state !== RunState.INTERRUPTED;
    latest = status;
    const isLed = status.state !== RunState.INTERRUPTED;
    if (wasLed !== isLed)
      terminal.err(
        isLed ? 'a coordinator leads the run again' : 'the run has no coordinator; waiting for one to take over',
      );
    if (options.json) terminal.out(jsonLine(messageJson(RunStatusSchema, status)));
    else progress(status);
    sampler?.onStatus(status);
  };

  try {
    return await followRun(coordinators, runId, signal, onStatus, () => options.disk.full !== undefined);
  } catch (thrown) {
    if (failed?.aborted === true) {
      const why = errorFrom(failed.reason).message;
      throw new TransientError('unavailable', `the fleet failed: ${why}`, { cause: thrown });
    }
    if (!giveUp.signal.aborted || latest === undefined) throw thrown;
    // A fleet of our own is ended with the run. In another one only a coordinator can stop it.
    if (failed === undefined && !recorded) throw errorFrom(giveUp.signal.reason);
    return { ...latest, state: RunState.STOPPED };
  } finally {
    await sampler?.close();
  }
}
