import { TransientError, errorFrom } from '../errors.ts';
import { sleep } from './sleep.ts';

export interface RetryOptions {
  readonly signal?: AbortSignal | undefined;
  /** Calls in all, the first included. `Infinity` leaves the end to the signal. */
  readonly attempts: number;
  /** Wait after the first failure; doubles with each further one, up to `maxMs`. */
  readonly baseMs: number;
  readonly maxMs?: number | undefined;
  /** Told about each failure that is tried again. */
  readonly onRetry?: ((error: TransientError, attempt: number) => void) | undefined;
  /** In [0, 1); spreads callers that failed together. */
  readonly random?: (() => number) | undefined;
}

/** Repeats `fn` while it fails with `TransientError`; every other error, and the last one, is thrown. */
export async function retry<T>(fn: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, attempts, baseMs, maxMs = 5_000, random = Math.random } = options;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await fn(attempt);
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (!(error instanceof TransientError) || attempt >= attempts) throw error;
      options.onRetry?.(error, attempt);
      const backoffMs = Math.min(maxMs, baseMs * 2 ** (attempt - 1));
      // Never earlier than the other side asked for; half of the backoff is spread at random.
      await sleep(Math.max(error.retryAfterMs, backoffMs * (0.5 + random() / 2)), signal);
    }
  }
}
