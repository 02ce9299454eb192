import { throwIfCancelled } from '../errors.ts';

/**
 * Like `Promise.all(items.map(fn))` with at most `limit` running at a time; results keep the order of the items.
 * The first failure is thrown after those already running have ended, and no further item is started.
 */
export async function mapConcurrent<T, R>(
  items: Iterable<T>,
  limit: number,
  fn: (item: T, index: number) => Promise<R>,
  signal?: AbortSignal,
): Promise<R[]> {
  if (!Number.isInteger(limit) || limit < 1) {
    throw new RangeError(`limit must be a whole number of at least 1, not ${limit}`);
  }
  const results: R[] = [];
  const iterator = items[Symbol.iterator]();
  let index = 0;
  let failed = false;
  let failure: unknown;

  async function work(): Promise<void> {
    while (!failed) {
      const next = iterator.next();
      if (next.done === true) return;
      const at = index;
      index += 1;
      try {
        throwIfCancelled(signal);
        results[at] = await fn(next.value, at);
      } catch (error) {
        if (!failed) failure = error;
        failed = true;
      }
    }
  }

  await Promise.all(Array.from({ length: limit }, work));
  if (failed) throw failure;
  return results;
}
