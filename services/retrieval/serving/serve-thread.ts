import { parentPort } from 'node:worker_threads';
import { errorFrom } from '#platform/errors.ts';
import type { PassageReader } from './open-passage-reader.ts';
import { createBatchRunner } from './run-batch.ts';
import type { FromThread, ToThread } from './executor.ts';

/** The whole of a search thread: opens indexes, works on batches, one message after the other. */
export function serveThread(openReader: (data: unknown) => Promise<PassageReader>): void {
  const port = parentPort;
  if (port === null) throw new TypeError('this module runs in a worker thread only');
  const readers = new Map<number, PassageReader>();
  const runBatch = createBatchRunner(readers);
  const answer = (message: FromThread, transfer: readonly ArrayBuffer[] = []): void =>
    port.postMessage(message, transfer);

  async function handle(message: ToThread<unknown>): Promise<void> {
    switch (message.kind) {
      case 'open': {
        const { generation } = message;
        try {
          readers.set(generation, await openReader(message.data));
          answer({ kind: 'opened', generation });
        } catch (thrown) {
          answer({ kind: 'notOpened', generation, reason: errorFrom(thrown).message });
        }
        return;
      }
      case 'close': {
        const { generation } = message;
        const reader = readers.get(generation);
        readers.delete(generation);
        await reader?.dispose?.();
        answer({ kind: 'closed', generation });
        return;
      }
      case 'run': {
        const done = await runBatch(message.batch);
        answer({ kind: 'answer', answer: done }, [done.hits.buffer]);
        return;
      }
      case 'end':
        port?.close();
        return;
    }
  }

  let last: Promise<void> = Promise.resolve();
  // The other side is `startThreadExecutor`, which sends nothing else. A fault ends the thread, and its executor reports it.
  port.on('message', (message: ToThread<unknown>) => {
    last = last.then(() => handle(message));
  });
}
