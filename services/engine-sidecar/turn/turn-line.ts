import { TransientError, cancelledFrom, throwIfCancelled } from '#platform/errors.ts';

export interface TurnLine {
  /** Turns that the server has. */
  readonly running: number;
  readonly waiting: number;
  /** Waits for one of `places`; call the result once the turn has ended. Throws TransientError when too many wait. */
  enter(priority: number, signal: AbortSignal): Promise<() => void>;
}

interface Waiter {
  readonly priority: number;
  admit(): void;
}

/** Places at the server, and who is next: the greatest priority, then the earliest. Servers have lines of their own, but not each knows priorities. */
export function createTurnLine(places: number, maxWaiting: number, onChange: () => void): TurnLine {
  let running = 0;
  /** In the order in which they are next. */
  const waiters: Waiter[] = [];

  function take(): () => void {
    running += 1;
    let released = false;
    return () => {
      if (released) return;
      released = true;
      running -= 1;
      waiters.shift()?.admit();
      onChange();
    };
  }

  return {
    get running() {
      return running;
    },
    get waiting() {
      return waiters.length;
    },
    async enter(priority, signal) {
      throwIfCancelled(signal);
      if (running < places) {
        const leave = take();
        onChange();
        return leave;
      }
      if (waiters.length >= maxWaiting) {
        throw new TransientError(
          'resource_exhausted',
          `${waiters.length} requests are waiting already, the most this engine queues; retry later`,
          { retryAfterMs: 250 },
        );
      }
      return await new Promise((resolve, reject) => {
        const leave = (): void => {
          const at = waiters.indexOf(waiter);
          if (at !== -1) waiters.splice(at, 1);
          onChange();
          reject(cancelledFrom(signal.reason));
        };
        const waiter: Waiter = {
          priority,
          admit() {
            signal.removeEventListener('abort', leave);
            resolve(take());
          },
        };
        signal.addEventListener('abort', leave, { once: true });
        const after = waiters.findIndex((other) => other.priority < priority);
        waiters.splice(after === -1 ? waiters.length : after, 0, waiter);
        onChange();
      });
    },
  };
}
