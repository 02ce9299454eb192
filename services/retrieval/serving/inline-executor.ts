import type { Executor } from './executor.ts';
import type { PassageReader } from './open-passage-reader.ts';
import { createBatchRunner } from './run-batch.ts';

/** Works in the thread that calls: right for a small corpus, and where there is one core. */
export function createInlineExecutor<D>(openReader: (data: D) => Promise<PassageReader>): Executor<D> {
  const readers = new Map<number, PassageReader>();
  const runBatch = createBatchRunner(readers);
  const ended = Promise.withResolvers<undefined>();
  /** A reader is not disposed while a batch reads from it. */
  let running: Promise<unknown> = Promise.resolve();

  async function close(generation: number): Promise<void> {
    await running;
    const reader = readers.get(generation);
    readers.delete(generation);
    await reader?.dispose?.();
  }

  return {
    open: async (generation, data) => void readers.set(generation, await openReader(data)),
    close,
    run(batch) {
      const answer = runBatch(batch);
      running = answer;
      return answer;
    },
    ended: ended.promise,
    async stop() {
      for (const generation of readers.keys()) await close(generation);
      ended.resolve(undefined);
    },
  };
}
