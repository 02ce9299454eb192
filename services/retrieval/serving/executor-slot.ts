import { sleep } from '#platform/async/sleep.ts';
import { TransientError, errorFrom } from '#platform/errors.ts';
import type { Batch, BatchAnswer, Executor } from './executor.ts';

export type SlotState = 'opening' | 'free' | 'busy' | 'lost' | 'stopped';

/** A place where an executor works; when the executor is lost another one takes its place. */
export interface ExecutorSlot {
  readonly state: SlotState;
  /** Settles once the executor in this slot, or its successor, has the index open. */
  open(generation: number): Promise<void>;
  /** Settles when nothing here reads the index any more. */
  close(generation: number): Promise<void>;
  /** Only while free. Rejects when the executor is lost meanwhile. */
  run(batch: Batch): Promise<BatchAnswer>;
  stop(): Promise<void>;
}

export interface SlotOptions<D> {
  readonly startExecutor: () => Executor<D>;
  /** All open indexes: a new executor opens them before it takes work. */
  readonly generations: ReadonlyMap<number, D>;
  /** An executor that works longer on one batch counts as lost. */
  readonly mostBatchMs: number;
  readonly onFree: () => void;
  readonly onLost: (reason: Error) => void;
}

/** The next executor starts after this, and after twice as long each time that one is lost before it did any work. */
const restartDelay = { firstMs: 50, mostMs: 5_000 } as const;

/** After so many executors in a row that could not be readied, anyone who waits for an index hears why. */
const mostFailedStarts = 3;

/**
 *     opening --> free <--> busy        any --> stopped
 *        ^          |         |
 *        +-- lost <-+---------+
 */
export function startExecutorSlot<D>({
  startExecutor,
  generations,
  mostBatchMs,
  onFree,
  onLost,
}: SlotOptions<D>): ExecutorSlot {
  const stopping = new AbortController();
  const opened = new Set<number>();
  const wanted = new Map<number, PromiseWithResolvers<void>>();
  let executor = startExecutor();
  let state: SlotState = 'opening';
  let hasWorked = false;

  const settle = (generation: number): PromiseWithResolvers<void> | undefined => {
    const waiting = wanted.get(generation);
    wanted.delete(generation);
    return waiting;
  };

  async function openHere(generation: number, data: D): Promise<void> {
    const here = executor;
    try {
      await here.open(generation, data);
    } catch (error) {
      // An executor that was lost is followed by one that tries again; an index that cannot be opened stays so.
      if (!(error instanceof TransientError)) settle(generation)?.reject(error);
      throw error;
    }
    if (here !== executor) return;
    opened.add(generation);
    settle(generation)?.resolve();
  }

  function giveUp(reason: unknown): void {
    for (const { reject } of wanted.values()) reject(reason);
    wanted.clear();
  }

  /** Opens all indexes, also those that come meanwhile; free from the moment that there is none left. */
  async function ready(): Promise<Error | undefined> {
    try {
      for (;;) {
        const next = [...generations].find(([generation]) => !opened.has(generation));
        if (next === undefined) break;
        await openHere(...next);
      }
      if (!stopping.signal.aborted) state = 'free';
      return undefined;
    } catch (error) {
      await executor.stop();
      return errorFrom(error);
    }
  }

  async function live(): Promise<void> {
    let delayMs: number = restartDelay.firstMs;
    let failedStarts = 0;
    for (;;) {
      let reason = await ready();
      if (reason === undefined && !stopping.signal.aborted) {
        onFree();
        reason = await executor.ended;
      }
      if (stopping.signal.aborted) return;
      state = 'lost';
      opened.clear();
      failedStarts = hasWorked ? 0 : failedStarts + 1;
      if (failedStarts >= mostFailedStarts) giveUp(reason);
      onLost(reason ?? new Error('a search thread ended by itself'));
      delayMs = hasWorked ? restartDelay.firstMs : Math.min(2 * delayMs, restartDelay.mostMs);
      hasWorked = false;
      await sleep(delayMs, stopping.signal);
      executor = startExecutor();
      state = 'opening';
    }
  }

  const living = live().catch((error: unknown) => {
    if (!stopping.signal.aborted) onLost(errorFrom(error));
  });

  return {
    get state() {
      return state;
    },
    async open(generation) {
      const data = generations.get(generation);
      if (opened.has(generation) || data === undefined) return;
      const waiting = Promise.withResolvers<void>();
      wanted.set(generation, waiting);
      // While opening, it comes to this one by itself.
      if (state === 'free' || state === 'busy') openHere(generation, data).catch(() => {});
      await waiting.promise;
    },
    async close(generation) {
      if (opened.delete(generation)) await executor.close(generation);
    },
    async run(batch) {
      state = 'busy';
      const answer = await inTime(executor, batch, mostBatchMs);
      hasWorked = true;
      if (state === 'busy') state = 'free';
      return answer;
    },
    async stop() {
      stopping.abort();
      state = 'stopped';
      giveUp(new TransientError('unavailable', 'the service stops'));
      await executor.stop();
      await living;
    },
  };
}

/** A batch that never ends would hold its executor forever; its callers have left long before. */
async function inTime<D>(executor: Executor<D>, batch: Batch, mostMs: number): Promise<BatchAnswer> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new TransientError('unavailable', `a search thread was lost: a batch took longer than ${mostMs} ms`));
    void executor.stop();
  }, mostMs);
  timer.unref();
  try {
    return await Promise.race([executor.run(batch), late]);
  } finally {
    clearTimeout(timer);
  }
}
