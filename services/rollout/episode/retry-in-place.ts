import { retry } from '#platform/async/retry.ts';
import { CancelledError, TransientError, errorFrom, type GradusError } from '#platform/errors.ts';

export interface RetryBudget {
  /** Failures of a call that are tried again here before the task goes back to the queue. */
  readonly retries: number;
  /** First pause in milliseconds; doubles with each failure, up to 2 s. */
  readonly baseDelayMs: number;
}

/**
 * Repeats a call that failed transiently. A busy peer (`resource_exhausted`) costs no retry: it is not a failure, and the
 * signal bounds the wait.
 */
export function retryInPlace<T>(
  call: () => Promise<T>,
  { retries, baseDelayMs }: RetryBudget,
  signal: AbortSignal,
  onRetry: (error: GradusError) => void,
): Promise<T> {
  return retry(call, {
    signal,
    attempts: retries + 1,
    baseMs: baseDelayMs,
    maxMs: 2_000,
    errorOf: (thrown) => callError(thrown, signal),
    isFree: ({ code }) => code === 'resource_exhausted',
    onRetry,
  });
}

/** A call that ended as cancelled or too late, although this side still waits, was cut off by the other side. */
function callError(thrown: unknown, signal: AbortSignal): GradusError {
  const error = errorFrom(thrown);
  return error instanceof CancelledError && !signal.aborted
    ? new TransientError('unavailable', error.message, { cause: error })
    : error;
}
