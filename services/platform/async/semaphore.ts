import { cancelledFrom, throwIfCancelled } from '../errors.ts';

export interface Semaphore {
  /** Permits not taken. */
  readonly available: number;
  /** Callers that wait for a permit. */
  readonly waiting: number;
  /** Waits in order of arrival for a permit; call the result once to give it back. */
  acquire(signal?: AbortSignal): Promise<() => void>;
  /** Runs `fn` while holding a permit. */
  run<T>(fn: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** At most `permits` holders at a time. */
export function createSemaphore(permits: number): Semaphore {
  if (!Number.isInteger(permits) || permits < 1) {
    throw new RangeError(`a semaphore needs a whole number of permits of at least 1, not ${permits}`);
  }
  let available = permits;
  const queue = new Set<() => void>();

  function releaseOnce(): () => void {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      const [next] = queue;
      if (next === undefined) available += 1;
      else {
        // The permit passes on directly, so that a newcomer cannot overtake.
        queue.delete(next);
        next();
      }
    };
  }

  async function acquire(signal?: AbortSignal): Promise<() => void> {
    throwIfCancelled(signal);
    if (available > 0) {
      available -= 1;
      return releaseOnce();
    }
    return await new Promise((resolve, reject) => {
      const onAbort = (): void => {
        queue.delete(grant);
        reject(cancelledFrom(signal?.reason));
      };
      const grant = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve(releaseOnce());
      };
      queue.add(grant);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  return {
    get available() {
      return available;
    },
    get waiting() {
      return queue.size;
    },
    acquire,
    async run(fn, signal) {
      const release = await acquire(signal);
      try {
        return await fn();
      } finally {
        release();
      }
    },
  };
}
