import { CancelledError, cancelledFrom, throwIfCancelled } from '#platform/errors.ts';

/** One caller's wait for a number of parts. The first of complete, failed, cancelled and out of time ends it. */
export interface CallerWait {
  /** Settles when it is over. */
  readonly ended: Promise<void>;
  readonly over: boolean;
  /** One of the parts has come. */
  arrived(): void;
  fail(error: unknown): void;
}

export interface CallerWaits {
  /** `onEnd` runs once, before `ended` settles, with the number of parts that did not come. */
  begin(parts: number, signal: AbortSignal | undefined, onEnd: (left: number) => void): CallerWait;
}

interface Deadline {
  readonly atMs: number;
  expire(): void;
}

/** All callers wait equally long, so the first to come is the first to be out of time: one timer serves them all. */
export function createCallerWaits(maxMs: number): CallerWaits {
  const deadlines = new Set<Deadline>();
  let armed = false;

  function arm(): void {
    const [first] = deadlines;
    if (armed || first === undefined) return;
    armed = true;
    setTimeout(expire, Math.max(1, first.atMs - performance.now())).unref();
  }

  function expire(): void {
    armed = false;
    const nowMs = performance.now();
    for (const deadline of deadlines) {
      if (deadline.atMs > nowMs) break;
      deadline.expire();
    }
    arm();
  }

  return {
    begin(parts, signal, onEnd) {
      throwIfCancelled(signal);
      const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
      let left = parts;
      let over = false;

      /** True for the first who ends it. */
      function end(): boolean {
        if (over) return false;
        over = true;
        deadlines.delete(deadline);
        signal?.removeEventListener('abort', onAbort);
        onEnd(left);
        return true;
      }
      function fail(error: unknown): void {
        if (end()) reject(error);
      }
      const onAbort = (): void => fail(cancelledFrom(signal?.reason));
      const deadline = {
        atMs: performance.now() + maxMs,
        expire: () => fail(new CancelledError('deadline_exceeded', `no answer within ${maxMs} ms (--max-ms)`)),
      };

      signal?.addEventListener('abort', onAbort, { once: true });
      deadlines.add(deadline);
      arm();
      return {
        ended,
        get over() {
          return over;
        },
        arrived() {
          left -= 1;
          if (left === 0 && end()) resolve();
        },
        fail,
      };
    },
  };
}
