import { CancelledError, cancelledFrom, throwIfCancelled } from '#platform/errors.ts';

interface SharedCall<R> {
  readonly promise: Promise<R>;
  readonly controller: AbortController;
  waiters: number;
}

export interface SingleFlight<R> {
  /** `shared` is true for those who joined a call that was under way. Rejects when `signal` aborts. */
  run(
    key: string,
    signal: AbortSignal,
    start: (signal: AbortSignal) => Promise<R>,
  ): Promise<{ result: R; shared: boolean }>;
}

/**
 * A caller that asks for what is being fetched waits for that. A shared call is cancelled when nobody waits for it any more; one
 * waiter who leaves does not disturb the others.
 */
export function createSingleFlight<R>(): SingleFlight<R> {
  const calls = new Map<string, SharedCall<R>>();

  function begin(key: string, start: (signal: AbortSignal) => Promise<R>): SharedCall<R> {
    const controller = new AbortController();
    const promise = start(controller.signal).finally(() => {
      if (calls.get(key)?.controller === controller) calls.delete(key);
    });
    const call = { promise, controller, waiters: 0 };
    calls.set(key, call);
    return call;
  }

  return {
    async run(key, signal, start) {
      throwIfCancelled(signal);
      const present = calls.get(key);
      const call = present ?? begin(key, start);
      call.waiters += 1;
      let leave = (): void => {};
      try {
        const result = await new Promise<R>((resolve, reject) => {
          leave = () => reject(cancelledFrom(signal.reason));
          signal.addEventListener('abort', leave, { once: true });
          call.promise.then(resolve, reject);
        });
        return { result, shared: present !== undefined };
      } finally {
        signal.removeEventListener('abort', leave);
        call.waiters -= 1;
        if (call.waiters === 0) {
          // Newcomers begin anew instead of joining what is being cancelled.
          if (calls.get(key) === call) calls.delete(key);
          call.controller.abort(new CancelledError('cancelled', 'nobody waits for the answer any more'));
        }
      }
    },
  };
}
