import { sleep } from '#platform/async/sleep.ts';
import { CancelledError, TransientError, cancelledFrom, errorFrom, throwIfCancelled } from '#platform/errors.ts';
import { mostFullMs } from '#platform/runtime/fleet-bounds.ts';

/** How long a service that does not answer is waited for, and who is told. */
export interface Patience {
  readonly totalMs: number;
  /** The run is asked to stop: a full disk is waited for no longer, everything else is. */
  readonly stop?: AbortSignal;
  onRetry(error: Error, waitedMs: number): void;
}

/**
 * Repeats a call while it fails in a way that passes: the service is away, overloaded, or too slow. Gives up with the last
 * error when `totalMs` have gone by without success; where there is no room (a full disk) that is half an hour at least, in
 * which somebody may make some, or until the run is asked to stop (`CancelledError`).
 */
export async function waitPatiently<T>(patience: Patience, signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  const startedMs = performance.now();
  for (let attempt = 0; ; attempt++) {
    throwIfCancelled(signal);
    try {
      return await call();
    } catch (thrown) {
      throwIfCancelled(signal);
      const error = errorFrom(thrown);
      const passes =
        error instanceof TransientError || (error instanceof CancelledError && error.code === 'deadline_exceeded');
      const waitedMs = performance.now() - startedMs;
      const isFull = error.code === 'resource_exhausted';
      const stop = isFull ? patience.stop : undefined;
      if (stop?.aborted === true) throw cancelledFrom(stop.reason);
      const mostMs = isFull ? Math.max(mostFullMs, patience.totalMs) : patience.totalMs;
      if (!passes || waitedMs >= mostMs) throw error;
      patience.onRetry(error, waitedMs);
      const pauseMs = Math.min(5000, 200 * 2 ** Math.min(attempt, 10));
      await sleep(pauseMs, stop === undefined ? signal : AbortSignal.any([signal, stop]));
    }
  }
}
