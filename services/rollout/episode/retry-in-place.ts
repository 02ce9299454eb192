import { sleep } from '#platform/async/sleep.ts';
import { CancelledError, TransientError, errorFrom, type GradusError } from '#platform/errors.ts';

export interface RetryBudget {
  /** Failures of a call that are tried again here before the task goes back to the queue. */
  readonly retries: number;
  /** First pause in milliseconds; doubles with each failure, up to 2 s. Never shorter than what the other side asked for. */
  readonly baseDelayMs: number;
}

const MAX_DELAY_MS = 2_000;

/**
 * Repeats a call that failed transiently. A busy peer (`resource_exhausted`) costs no retry: it is not a failure, and the
 * signal bounds the wait.
 */
export async function retryInPlace<T>(
  call: () => Promise<T>,
  budget: RetryBudget,
  signal: AbortSignal,
  onRetry: (error: TransientError) => void,
): Promise<T> {
  let failures = 0;
  for (;;) {
    try {
      return await call();
    } catch (thrown) {
      const error = retryableError(thrown, signal);
      if (!(error instanceof TransientError)) throw error;
      if (error.code !== 'resource_exhausted') failures += 1;
      if (failures > budget.retries) throw error;
      onRetry(error);
      const backoffMs = Math.min(MAX_DELAY_MS, budget.baseDelayMs * 2 ** Math.max(0, failures - 1));
      await sleep(Math.max(error.retryAfterMs, backoffMs * (0.5 + Math.random() / 2)), signal);
    }
  }
}

/** A call that ended as cancelled or too late, although this side still waits, was cut off by the other side. */
function retryableError(thrown: unknown, signal: AbortSignal): GradusError {
  const error = errorFrom(thrown);
  return error instanceof CancelledError && !signal.aborted
    ? new TransientError('unavailable', error.message, { cause: error })
    : error;
}
