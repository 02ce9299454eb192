import { TransientError, errorFrom, type GradusError } from '../errors.ts';
import { sleep } from './sleep.ts';

/**
 * The one way in which a call is made again; who does so, how often and how long is in docs/retries.md.
 */
export interface Backoff {
  /** Pause after the first failure in milliseconds; doubles with each further one, up to `maxMs`. */
  readonly baseMs: number;
  /** Default 5 s. */
  readonly maxMs?: number | undefined;
  /** In [0, 1); spreads callers that failed together over half of the pause. */
  readonly random?: (() => number) | undefined;
}

export interface RetryOptions extends Backoff {
  readonly signal?: AbortSignal | undefined;
  /** Failures that end it. Default: none do, so that `withinMs` or the signal has to. */
  readonly attempts?: number | undefined;
  /** Time since the first call after which a failure ends it, in milliseconds. */
  readonly withinMs?: number | ((error: GradusError) => number) | undefined;
  /** What a call threw, as an error of ours; default `errorFrom`. */
  readonly errorOf?: ((thrown: unknown) => GradusError) | undefined;
  /** Whether the call may succeed when it is made again; default: a `TransientError` may. */
  readonly mayPass?: ((error: GradusError, thrown: unknown) => boolean) | undefined;
  /** Failures that are none of the `attempts`, and make no pause longer. */
  readonly isFree?: ((error: GradusError) => boolean) | undefined;
  /** Ends the pause after this error with the `CancelledError` of its reason, besides `signal`. */
  readonly pauseEnds?: ((error: GradusError) => AbortSignal | undefined) | undefined;
  /** Before each pause. `attempt` counts from 1. */
  readonly onRetry?: ((error: GradusError, attempt: number, waitedMs: number) => void) | undefined;
}

/** The pause after failure `failures` (from 1) in milliseconds; never shorter than what the other side asked for. */
export function pauseAfter(
  failures: number,
  { baseMs, maxMs = 5_000, random = Math.random }: Backoff,
  atLeastMs: number,
): number {
  const backoffMs = Math.min(maxMs, baseMs * 2 ** Math.max(0, failures - 1));
  return Math.max(atLeastMs, backoffMs * (0.5 + random() / 2));
}

/** Makes a call until `pauseOf` gives no pause for its outcome, which may be a value or a failure that is one. */
export async function repeat<T>(
  call: () => Promise<T>,
  pauseOf: (outcome: T) => number | undefined,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (;;) {
    const outcome = await call();
    const pauseMs = pauseOf(outcome);
    if (pauseMs === undefined) return outcome;
    await sleep(pauseMs, signal);
  }
}

/** Makes a call until it succeeds. An error that does not pass, and the last one, is thrown. */
export async function retry<T>(fn: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { signal, attempts = Infinity, withinMs = Infinity, errorOf = errorFrom } = options;
  const { mayPass = (error) => error instanceof TransientError, isFree = () => false } = options;
  const startedMs = performance.now();
  let failures = 0;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await fn(attempt);
    } catch (thrown) {
      const error = errorOf(thrown);
      if (!mayPass(error, thrown)) throw error;
      if (!isFree(error)) failures += 1;
      const waitedMs = performance.now() - startedMs;
      const isLate = waitedMs >= (typeof withinMs === 'number' ? withinMs : withinMs(error));
      if (failures >= attempts || isLate) throw error;
      options.onRetry?.(error, attempt, waitedMs);
      const ends = options.pauseEnds?.(error);
      const both = signal === undefined || ends === undefined ? (signal ?? ends) : AbortSignal.any([signal, ends]);
      await sleep(pauseAfter(failures, options, error instanceof TransientError ? error.retryAfterMs : 0), both);
    }
  }
}
