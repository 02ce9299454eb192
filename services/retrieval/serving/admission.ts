import { TransientError } from '#platform/errors.ts';
import type { Throughput } from './throughput.ts';

export interface AdmissionLimits {
  readonly maxWaitingQueries: number;
  readonly maxWaitingBytes: number;
}

/** Counts what was let in and is not over yet, and says no beyond the bounds. */
export interface Admission {
  readonly queries: number;
  readonly bytes: number;
  /** Throws `TransientError('resource_exhausted')`, with the time after which trying again makes sense. */
  enter(queries: number, bytes: number): void;
  /** Answers that are held until their call is complete count, too; they are never refused. */
  hold(bytes: number): void;
  leave(queries: number, bytes: number): void;
}

/** Sooner, a refused caller would only come back into the same queue; later, it would find it empty. */
const retryBounds = { leastMs: 20, mostMs: 10_000 } as const;

export function createAdmission(limits: AdmissionLimits, throughput: Throughput): Admission {
  let waitingQueries = 0;
  let waitingBytes = 0;

  /** Until half of the queue has gone, at the rate of late: then there is room, and still work. */
  function retryAfterMs(): number {
    const ms = (1000 * waitingQueries) / 2 / throughput.perSecond;
    return Math.round(Math.min(retryBounds.mostMs, Math.max(retryBounds.leastMs, ms)));
  }

  function refuse(what: string, present: number, more: number, limit: number, flag: string): TransientError {
    const after = retryAfterMs();
    return new TransientError(
      'resource_exhausted',
      `too much is waiting: ${present} ${what}, ${more} more would pass the limit of ${limit} (${flag}); ` +
        `try again in ${after} ms`,
      { retryAfterMs: after, details: { waitingQueries, waitingBytes } },
    );
  }

  return {
    get queries() {
      return waitingQueries;
    },
    get bytes() {
      return waitingBytes;
    },
    enter(queries, bytes) {
      if (waitingQueries + queries > limits.maxWaitingQueries) {
        throw refuse('queries', waitingQueries, queries, limits.maxWaitingQueries, '--max-waiting-queries');
      }
      if (waitingBytes + bytes > limits.maxWaitingBytes) {
        throw refuse('bytes', waitingBytes, bytes, limits.maxWaitingBytes, '--max-waiting-bytes');
      }
      if (waitingQueries === 0) throughput.begin();
      waitingQueries += queries;
      waitingBytes += bytes;
    },
    hold(bytes) {
      waitingBytes += bytes;
    },
    leave(queries, bytes) {
      waitingQueries -= queries;
      waitingBytes -= bytes;
    },
  };
}
