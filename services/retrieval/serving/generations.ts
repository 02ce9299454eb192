import { untilCancelled } from '#platform/async/sleep.ts';
import { throwIfCancelled } from '#platform/errors.ts';
import type { SearchPool } from './search-pool.ts';

/** An index that can be served: what executors open it from, and what is said of it. */
export interface LoadedIndex<D> {
  readonly indexVersion: string;
  readonly data: D;
  close(): void;
}

/** One loaded index in its time of service. */
export interface Generation<I> {
  readonly number: number;
  readonly index: I;
  /** The call is over; an index that was replaced closes with its last call. */
  release(): void;
}

export interface GenerationsEvents {
  reloaded(outcome: 'swapped' | 'unchanged' | 'failed', details: Partial<Reloaded> & { readonly err?: unknown }): void;
}

export interface Reloaded {
  readonly oldIndexVersion: string;
  readonly newIndexVersion: string;
}

export interface Generations<I> {
  readonly index: I;
  /** The index that serves now, held until `release`. */
  acquire(): Generation<I>;
  /**
   * Loads anew and swaps; on failure the old one stays. Anyone who asks while one runs shares the next. The signal ends the
   * wait, not the reload.
   */
  reload(signal?: AbortSignal): Promise<Reloaded>;
  /** Settles when no index is open any more that no call holds. */
  close(): Promise<void>;
}

interface Serving<I> extends Generation<I> {
  calls: number;
  retired: boolean;
}

export interface GenerationsOptions<D, I extends LoadedIndex<D>> {
  readonly load: () => Promise<I>;
  readonly pool: Pick<SearchPool<D>, 'open' | 'close'>;
  readonly events: GenerationsEvents;
}

/** Loads the first index. A generation: `loading --> serving --> retired --(last call ends)--> closed`. */
export async function startGenerations<D, I extends LoadedIndex<D>>(
  options: GenerationsOptions<D, I>,
): Promise<Generations<I>> {
  const { load, pool, events } = options;
  const closing = new Set<Promise<void>>();
  let count = 0;
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<Reloaded> | undefined;

  function closeWhenIdle(generation: Serving<I>): void {
    if (!generation.retired || generation.calls > 0) return;
    const closed = pool.close(generation.number).then(() => generation.index.close());
    closing.add(closed);
    void closed.finally(() => closing.delete(closed));
  }

  async function open(index: I): Promise<Serving<I>> {
    count += 1;
    const number = count;
    try {
      await pool.open(number, index.data);
    } catch (error) {
      index.close();
      throw error;
    }
    const serving: Serving<I> = {
      number,
      index,
      calls: 0,
      retired: false,
      release() {
        serving.calls -= 1;
        closeWhenIdle(serving);
      },
    };
    return serving;
  }

  function retire(generation: Serving<I>): void {
    generation.retired = true;
    closeWhenIdle(generation);
  }

  let current = await open(await load());

  async function swap(): Promise<Reloaded> {
    const oldIndexVersion = current.index.indexVersion;
    try {
      const loaded = await load();
      const newIndexVersion = loaded.indexVersion;
      if (newIndexVersion === oldIndexVersion) {
        loaded.close();
        events.reloaded('unchanged', { oldIndexVersion, newIndexVersion });
        return { oldIndexVersion, newIndexVersion };
      }
      const old = current;
      current = await open(loaded);
      retire(old);
      events.reloaded('swapped', { oldIndexVersion, newIndexVersion });
      return { oldIndexVersion, newIndexVersion };
    } catch (error) {
      events.reloaded('failed', { oldIndexVersion, err: error });
      throw error;
    }
  }

  return {
    get index() {
      return current.index;
    },
    acquire() {
      current.calls += 1;
      return current;
    },
    async reload(signal) {
      throwIfCancelled(signal);
      next ??= running.then(() => {
        next = undefined;
        const swapping = swap();
        // A failure is reported to those who asked; the next one starts all the same.
        running = swapping.catch(() => {});
        return swapping;
      });
      return await untilCancelled(next, signal);
    },
    async close() {
      retire(current);
      await Promise.all(closing);
    },
  };
}
