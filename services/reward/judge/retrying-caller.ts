import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { createSemaphore } from '#platform/async/semaphore.ts';
import { pauseAfter, repeat } from '#platform/async/retry.ts';
import { TerminalError, TransientError, cancelledFrom, errorFrom, type GradusError } from '#platform/errors.ts';
import type { AbsenceReason } from '#rewards/absence-reasons.ts';
import { absent, type Absence } from './question.ts';
import type { CircuitBreaker, CircuitPermit } from './circuit-breaker.ts';
import type { JudgeSettings } from '#rewards/judge-settings.ts';
import type { RetryBudget } from './retry-budget.ts';

export type CallResult<Reply> = { readonly kind: 'reply'; readonly reply: Reply } | Absence;

export interface RetryingCaller<Request, Reply> {
  readonly running: number;
  readonly waiting: number;
  /**
   * Calls until there is a reply, or says why there is none. `endsMs` (monotonic) is when `signal` aborts at the latest:
   * a pause that would end later is not begun. Throws `CancelledError` only when the signal aborts.
   */
  call(request: Request, endsMs: number, signal: AbortSignal): Promise<CallResult<Reply>>;
}

/** What becomes of calls, to be counted. */
export interface CallEvents {
  called(outcome: 'answered' | AbsenceReason | 'cancelled', elapsedMs: number): void;
  retried(): void;
  /** A retry that the budget did not grant. */
  retryDenied(): void;
  load(running: number, waiting: number): void;
}

export interface RetryingCallerParts<Request, Reply> {
  /** One call; errors as of `postJson`. */
  send(request: Request, signal: AbortSignal): Promise<Reply>;
  /** True when a refused request may be sent once more in another form; no retry of the budget. */
  readonly resend?: (request: Request, detail: string) => boolean;
  readonly circuit: CircuitBreaker;
  readonly budget: RetryBudget;
  readonly events: CallEvents;
  readonly settings: Pick<
    JudgeSettings,
    'concurrency' | 'requestTimeoutMs' | 'attempts' | 'retryBaseMs' | 'retryMaxMs'
  >;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  /** In [0, 1); spreads retries. */
  readonly random: () => number;
}

interface Failure {
  readonly kind: 'failure';
  readonly reason: AbsenceReason;
  readonly detail: string;
  /** Undefined: the same call can never succeed, or must not be made now. */
  readonly retryAfterMs?: number;
}

type Outcome<Reply> = { readonly kind: 'reply'; readonly reply: Reply } | Failure;

/** Concurrency, deadline, circuit, retries and their budget around one endpoint. */
export function createRetryingCaller<Request, Reply>(
  parts: RetryingCallerParts<Request, Reply>,
): RetryingCaller<Request, Reply> {
  const { circuit, budget, events, settings, now } = parts;
  const slots = createSemaphore(settings.concurrency);

  const report = (): void => events.load(settings.concurrency - slots.available, slots.waiting);

  async function once(request: Request, signal: AbortSignal): Promise<Outcome<Reply>> {
    const acquired = slots.acquire(signal);
    report();
    const release = await acquired.finally(report);
    try {
      const permit = circuit.admit();
      if (permit === undefined) {
        return {
          kind: 'failure',
          reason: 'circuit_open',
          detail: `most of the last calls failed; the next try is in ${Math.ceil(circuit.waitMs)} ms`,
        };
      }
      return await inTime(request, permit, signal);
    } finally {
      release();
      report();
    }
  }

  async function inTime(request: Request, permit: CircuitPermit, signal: AbortSignal): Promise<Outcome<Reply>> {
    const started = now();
    using deadline = deadlineSignal(signal, settings.requestTimeoutMs, 'the call');
    try {
      const reply = await parts.send(request, deadline.signal);
      permit.succeeded();
      events.called('answered', now() - started);
      return { kind: 'reply', reply };
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (signal.aborted) {
        const cancelled = cancelledFrom(signal.reason);
        // Cancelled says nothing about the endpoint; that the time of the question ran out in this call does.
        if (cancelled.code === 'cancelled') permit.released();
        else permit.failed();
        events.called(cancelled.code === 'cancelled' ? 'cancelled' : 'timeout', now() - started);
        throw cancelled;
      }
      const failure = failureOf(error);
      // Anyone who asks to slow down, or refuses one request, lives.
      if (failure.reason === 'unavailable' || failure.reason === 'timeout') permit.failed();
      else permit.succeeded();
      events.called(failure.reason, now() - started);
      return failure;
    }
  }

  /** The pause before the next attempt in milliseconds, or why this was the last. */
  function pauseOf(failure: Failure, attempt: number, endsMs: number): number | string {
    if (failure.retryAfterMs === undefined) return 'not to be repeated';
    if (attempt >= settings.attempts) return `attempt ${attempt} of ${settings.attempts}`;
    const backoff = { baseMs: settings.retryBaseMs, maxMs: settings.retryMaxMs, random: parts.random };
    const pauseMs = pauseAfter(attempt, backoff, failure.retryAfterMs);
    if (now() + pauseMs >= endsMs) return 'no time for another attempt';
    if (budget.withdraw()) return pauseMs;
    events.retryDenied();
    return 'the budget of retries is spent';
  }

  return {
    get running() {
      return settings.concurrency - slots.available;
    },
    get waiting() {
      return slots.waiting;
    },
    async call(request, endsMs, signal) {
      let attempt = 0;
      let last = '';
      const outcome = await repeat(
        () => once(request, signal),
        (found) => {
          if (found.kind === 'reply') return undefined;
          if (found.reason === 'refused' && parts.resend?.(request, found.detail) === true) return 0;
          attempt += 1;
          const pause = pauseOf(found, attempt, endsMs);
          if (typeof pause === 'string') {
            last = pause;
            return undefined;
          }
          events.retried();
          return pause;
        },
        signal,
      );
      return outcome.kind === 'reply' ? outcome : absent(outcome.reason, `${outcome.detail} (${last})`);
    },
  };
}

function failureOf(error: GradusError): Failure {
  const detail = error.message;
  if (error instanceof TransientError) {
    const reason = error.code === 'resource_exhausted' ? 'rate_limited' : 'unavailable';
    return { kind: 'failure', reason, detail, retryAfterMs: error.retryAfterMs };
  }
  if (error instanceof TerminalError) {
    return { kind: 'failure', reason: error.code === 'internal' ? 'unparsable' : 'refused', detail };
  }
  return { kind: 'failure', reason: 'timeout', detail, retryAfterMs: 0 };
}
