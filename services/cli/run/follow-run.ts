import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import type { RunStatus } from '#proto/coordinator/v1/coordinator_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import { hasEnded } from '#run/live-status.ts';
import type { Coordinators } from './coordinators.ts';

/** Runs can take days: the stream is opened again rather than held forever. */
const streamTimeoutMs = 3_600_000;
const reconnectMs = 500;
/** A coordinator says something every second; one that is silent for longer may be frozen, and another one is asked. */
const silentMs = 10_000;
/** How long a run may be without a leader (coordinators are restarted) before we stop waiting for one. */
const maxLeaderlessMs = 120_000;

/** Statuses of a run until it ends, whichever coordinators lead it until then. Gives the last one. */
export async function followRun(
  coordinators: Coordinators,
  runId: string,
  signal: AbortSignal,
  onStatus: (status: RunStatus) => void,
  /** Nobody leads the run meanwhile, and that is in order: coordinators wait for room on a disk. */
  isPaused: () => boolean = () => false,
): Promise<RunStatus> {
  let lastLedMs = performance.now();
  for (;;) {
    let answer: unknown;
    try {
      const stream = coordinators.current.watchRun({ runId }, { signal, timeoutMs: streamTimeoutMs });
      for await (const status of unlessSilent(stream)) {
        onStatus(status);
        if (hasEnded(status)) return status;
        if (status.state === RunState.RUNNING || status.state === RunState.QUEUED) lastLedMs = performance.now();
        else if (performance.now() - lastLedMs > maxLeaderlessMs) break;
      }
    } catch (thrown) {
      answer = thrown;
      const error = errorFrom(thrown);
      if (signal.aborted) throw error;
      const isReopened = error.code === 'deadline_exceeded';
      // A coordinator that has just come back may not have read the run's ledger yet.
      const isAway = error instanceof TransientError || error.code === 'not_found' || error.code === 'cancelled';
      if (!isReopened && !isAway) throw error;
      coordinators.next();
    }
    if (isPaused()) lastLedMs = performance.now();
    if (performance.now() - lastLedMs > maxLeaderlessMs) {
      throw new TransientError('unavailable', `no coordinator leads run ${runId} for ${maxLeaderlessMs / 1000} s`, {
        cause: answer,
      });
    }
    await sleep(reconnectMs, signal);
  }
}

/** The same items; an error when the next one takes too long. */
async function* unlessSilent<T>(items: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  const iterator = items[Symbol.asyncIterator]();
  try {
    for (;;) {
      const end = new AbortController();
      const silence = sleep(silentMs, end.signal).then(
        () => {
          throw new TransientError('unavailable', `the coordinator sent nothing for ${silentMs} ms`);
        },
        () => undefined,
      );
      const next = await Promise.race([iterator.next(), silence]).finally(() => end.abort());
      if (next === undefined || next.done === true) return;
      yield next.value;
    }
  } finally {
    // Not awaited: the end of a stream that is silent may be silent too.
    void iterator.return?.().catch(() => undefined);
  }
}
