import { TerminalError, cancelledFrom, throwIfCancelled } from '../errors.ts';

/** Asks for one item; rejects when `signal` aborts, which stops this wait only. */
export type BatchedCall<R> = (item: string, signal: AbortSignal) => Promise<R>;

interface Waiter<R> {
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

interface Entry<R> {
  readonly item: string;
  readonly waiters: Set<Waiter<R>>;
}

/**
 * Calls that are made in the same turn of the event loop travel together, and anyone who asks for what is on its way already
 * waits for that answer: hundreds of concurrent episodes, whose groups ask for the same things, cost a few requests.
 * `run` gives one result per item, in order. The queue is bounded by the callers' concurrency.
 */
export function createCallBatcher<R>(
  run: (items: readonly string[]) => Promise<readonly R[]>,
  maxItems: number,
): BatchedCall<R> {
  /** Waiting to be sent, or on their way. */
  const open = new Map<string, Entry<R>>();
  let queued: Entry<R>[] = [];

  async function send(batch: readonly Entry<R>[]): Promise<void> {
    try {
      const results = await run(batch.map(({ item }) => item));
      if (results.length !== batch.length)
        throw new TerminalError('internal', `${batch.length} items were asked for, ${results.length} came`);
      batch.forEach((entry, index) => {
        open.delete(entry.item);
        // In range; R itself may include undefined.
        for (const { resolve } of entry.waiters) resolve(results[index] as R);
      });
    } catch (error) {
      for (const entry of batch) {
        open.delete(entry.item);
        for (const { reject } of entry.waiters) reject(error);
      }
    }
  }

  function flush(): void {
    const all = queued;
    queued = [];
    for (let start = 0; start < all.length; start += maxItems) void send(all.slice(start, start + maxItems));
  }

  function entryOf(item: string): Entry<R> {
    const present = open.get(item);
    if (present !== undefined) return present;
    const entry = { item, waiters: new Set<Waiter<R>>() };
    open.set(item, entry);
    if (queued.length === 0) setImmediate(flush);
    queued.push(entry);
    return entry;
  }

  return (item, signal) =>
    new Promise<R>((resolve, reject) => {
      throwIfCancelled(signal);
      const { waiters } = entryOf(item);
      const onAbort = (): void => {
        waiters.delete(waiter);
        reject(cancelledFrom(signal.reason));
      };
      const settled = (): void => signal.removeEventListener('abort', onAbort);
      const waiter: Waiter<R> = {
        resolve: (result) => (settled(), resolve(result)),
        reject: (error) => (settled(), reject(error)),
      };
      waiters.add(waiter);
      signal.addEventListener('abort', onAbort, { once: true });
    });
}
