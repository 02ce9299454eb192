import { CancelledError, cancelledFrom, throwIfCancelled } from '#platform/errors.ts';

interface Flight<R> {
  readonly promise: Promise<R>;
  readonly controller: AbortController;
  waiters: number;
}

export interface SingleFlight<R> {
  /** `shared` is true for those who joined a flight that was under way. Rejects when `signal` aborts. */
  run(
    key: string,
    signal: AbortSignal,
    fly: (signal: AbortSignal) => Promise<R>,
  ): Promise<{ result: R; shared: boolean }>;
}

/**
 * A caller that asks for what is being fetched waits for that. A shared call is cancelled when nobody waits for it any more; one
 * waiter who leaves does not disturb the others.
 */
export function createSingleFlight<R>(): SingleFlight<R> {
  const flights = new Map<string, Flight<R>>();

  function begin(key: string, fly: (signal: AbortSignal) => Promise<R>): Flight<R> {
    const controller = new AbortController();
    const promise = fly(controller.signal).finally(() => {
      if (flights.get(key)?.controller === controller) flights.delete(key);
    });
    const flight = { promise, controller, waiters: 0 };
    flights.set(key, flight);
    return flight;
  }

  return {
    async run(key, signal, fly) {
      throwIfCancelled(signal);
      const present = flights.get(key);
      const flight = present ?? begin(key, fly);
      flight.waiters += 1;
      let leave = (): void => {};
      try {
        const result = await new Promise<R>((resolve, reject) => {
          leave = () => reject(cancelledFrom(signal.reason));
          signal.addEventListener('abort', leave, { once: true });
          flight.promise.then(resolve, reject);
        });
        return { result, shared: present !== undefined };
      } finally {
        signal.removeEventListener('abort', leave);
        flight.waiters -= 1;
        if (flight.waiters === 0) {
          // Newcomers begin anew instead of joining what is being cancelled.
          if (flights.get(key) === flight) flights.delete(key);
          flight.controller.abort(new CancelledError('cancelled', 'nobody waits for the answer any more'));
        }
      }
    },
  };
}
