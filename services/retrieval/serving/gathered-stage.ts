import { TransientError } from '#platform/errors.ts';
import { createFairQueue } from './fair-queue.ts';

export interface StageItem {
  /** Whether anybody still waits for it; asked before it starts. */
  wanted(): boolean;
  dropped(): void;
  failed(error: unknown): void;
}

/** Work that gathers while what does it is busy, and is then done together. */
export interface GatheredStage<T extends StageItem> {
  readonly waiting: number;
  /** The work of one caller, served in turns with that of others. */
  push(items: readonly T[]): void;
  sweep(): void;
}

export interface GatheredStageOptions<T extends StageItem> {
  /** Batches at a time. */
  readonly concurrency: number;
  readonly maxBatch: number;
  /** Gives each item what came of it; when it throws, all of them fail. */
  readonly run: (items: readonly T[]) => Promise<void>;
}

export function createGatheredStage<T extends StageItem>(options: GatheredStageOptions<T>): GatheredStage<T> {
  const { concurrency, maxBatch, run } = options;
  const queue = createFairQueue<T>();
  let running = 0;
  let scheduled = false;

  function isWanted(item: T): boolean {
    if (item.wanted()) return true;
    item.dropped();
    return false;
  }

  async function runOnce(items: readonly T[]): Promise<void> {
    try {
      await run(items).catch(async (error: unknown) => {
        // A thread that was lost has been replaced: its work is done once more.
        if (!(error instanceof TransientError) || error.code !== 'unavailable') throw error;
        await run(items);
      });
    } catch (error) {
      for (const item of items) item.failed(error);
    }
    running -= 1;
    start();
  }

  function start(): void {
    while (running < concurrency && queue.size > 0) {
      const items = queue.take(maxBatch, isWanted);
      if (items.length === 0) return;
      running += 1;
      void runOnce(items);
    }
  }

  return {
    get waiting() {
      return queue.size;
    },
    push(items) {
      queue.push(items);
      if (scheduled) return;
      scheduled = true;
      // Once all handlers of this turn of the event loop have added theirs.
      setImmediate(() => {
        scheduled = false;
        start();
      });
    },
    sweep: () => queue.sweep(isWanted),
  };
}
