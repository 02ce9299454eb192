import { sleep } from '#shared/async/sleep.ts';
import { CancelledError, TransientError, errorFrom, throwIfCancelled } from '#shared/errors.ts';

/** How long a service that does not answer is waited for, and who is told. */
export interface Patience {
  readonly totalMs: number;
  onRetry(error: Error, waitedMs: number): void;
}

/**
 * Repeats a call while it fails in a way that passes: the service is away, overloaded, or too slow. Gives up with the last
 * error when `totalMs` have gone by without success. A full disk is not waited for: nobody empties it in time.
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
        (error instanceof TransientError && error.code !== 'resource_exhausted') ||
        (error instanceof CancelledError && error.code === 'deadline_exceeded');
      const waitedMs = performance.now() - startedMs;
      if (!passes || waitedMs >= patience.totalMs) throw error;
      patience.onRetry(error, waitedMs);
      await sleep(Math.min(5000, 200 * 2 ** Math.min(attempt, 10)), signal);
    }
  }
}
