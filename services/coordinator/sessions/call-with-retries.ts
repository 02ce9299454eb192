import { retry } from '#platform/async/retry.ts';
import { CancelledError, TransientError, throwIfCancelled, type GradusError } from '#platform/errors.ts';
import { mostFullMs } from '#platform/runtime/fleet-bounds.ts';

/** How long a service that does not answer is waited for, and what is called meanwhile. */
export interface CallRetries {
  readonly totalMs: number;
  /** The run is asked to stop: a full disk is waited for no longer, everything else is. */
  readonly stop?: AbortSignal;
  onRetry(error: Error, waitedMs: number): void;
}

/**
 * Repeats a call while it fails in a way that passes: the service is unavailable, overloaded, or too slow. Gives up with the last
 * error when `totalMs` have gone by without success; where there is no room (a full disk) that is half an hour at least, in
 * which somebody may make some, or until the run is asked to stop (`CancelledError`).
 */
export function callWithRetries<T>(retries: CallRetries, signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  const isFull = ({ code }: GradusError) => code === 'resource_exhausted';
  const { totalMs, stop } = retries;
  return retry(
    async () => {
      throwIfCancelled(signal);
      return await call();
    },
    {
      signal,
      baseMs: 200,
      withinMs: (error) => (isFull(error) ? Math.max(mostFullMs, totalMs) : totalMs),
      mayPass(error) {
        throwIfCancelled(signal);
        if (isFull(error)) throwIfCancelled(stop);
        return (
          error instanceof TransientError || (error instanceof CancelledError && error.code === 'deadline_exceeded')
        );
      },
      pauseEnds: (error) => (isFull(error) ? stop : undefined),
      onRetry: (error, _attempt, waitedMs) => retries.onRetry(error, waitedMs),
    },
  );
}
