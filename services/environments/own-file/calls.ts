import { AsyncLocalStorage } from 'node:async_hooks';
import { Worker } from 'node:worker_threads';

/** What the two threads of a host share. */
export const cell = { beats: 0, entered: 1, limitMs: 2 } as const;
export const beatMs = 100;

interface Call {
  readonly id: number;
  answered: boolean;
}

export interface Calls {
  /** Code that runs in it, also after a pause, is put down to this call until `answered`. */
  enter<T>(id: number, limitMs: number, run: () => T): T;
  answered(id: number): void;
  /** Ids of calls under way, oldest first. */
  underWay(): readonly number[];
}

/**
 * Knows which call the code that runs belongs to, and starts the thread that ends this process when one holds it: code that never yields
 * would keep every other episode of the process waiting.
 */
export function createCalls(file: string): Calls {
  const open = new Map<number, Call>();
  const current = new AsyncLocalStorage<Call>();
  const shared = new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT));
  setInterval(() => Atomics.add(shared, cell.beats, 1), beatMs).unref();
  // Asked by the other thread while this one is held.
  Object.defineProperty(globalThis, Symbol.for('gradus.call'), {
    value: () => {
      const running = current.getStore();
      return running?.answered === false ? running.id : 0;
    },
  });
  new Worker(new URL('watch-thread.ts', import.meta.url), { workerData: { shared, file } }).unref();
  return {
    enter(id, limitMs, run) {
      const call = { id, answered: false };
      open.set(id, call);
      Atomics.store(shared, cell.entered, id);
      Atomics.store(shared, cell.limitMs, limitMs);
      return current.run(call, run);
    },
    answered(id) {
      const call = open.get(id);
      if (call !== undefined) call.answered = true;
      open.delete(id);
    },
    underWay: () => [...open.keys()],
  };
}
