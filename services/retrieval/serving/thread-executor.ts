import { Worker } from 'node:worker_threads';
import { TerminalError, TransientError } from '#platform/errors.ts';
import type { BatchAnswer, Executor, FromThread, ToThread } from './executor.ts';

/** A thread that works on a batch for longer after it was asked to end is terminated. */
const endMs = 2_000;

/**
 * An executor in a thread of its own. `entry` is a module that calls `serveThread`. A thread that ends (out of memory, a
 * fault) fails what it was asked for; anyone who holds the executor starts another one.
 */
export function startThreadExecutor<D>(entry: URL): Executor<D> {
  const worker = new Worker(entry, { name: 'search' });
  const ended = Promise.withResolvers<Error | undefined>();
  const opening = new Map<number, PromiseWithResolvers<void>>();
  const closing = new Map<number, PromiseWithResolvers<void>>();
  let gone = false;
  let running: PromiseWithResolvers<BatchAnswer> | undefined;
  let stopping = false;
  let fault: Error | undefined;

  const send = (message: ToThread<D>): void => worker.postMessage(message, []);

  // The other side is `serveThread`, which sends nothing else.
  worker.on('message', (message: FromThread) => {
    switch (message.kind) {
      case 'opened':
        opening.get(message.generation)?.resolve();
        opening.delete(message.generation);
        return;
      case 'notOpened':
        opening.get(message.generation)?.reject(new TerminalError('failed_precondition', message.reason));
        opening.delete(message.generation);
        return;
      case 'closed':
        closing.get(message.generation)?.resolve();
        closing.delete(message.generation);
        return;
      case 'answer': {
        const { resolve } = running ?? {};
        running = undefined;
        resolve?.(message.answer);
        return;
      }
    }
  });
  worker.on('error', (error) => {
    fault = error instanceof Error ? error : new Error(String(error));
  });
  worker.once('exit', (code) => {
    const reason = fault?.message ?? `it ended with code ${code}`;
    const error = new TransientError('unavailable', `a search thread was lost: ${reason}`, { cause: fault });
    for (const { reject } of opening.values()) reject(error);
    opening.clear();
    for (const { resolve } of closing.values()) resolve();
    closing.clear();
    gone = true;
    running?.reject(error);
    running = undefined;
    ended.resolve(stopping ? undefined : error);
  });

  return {
    open(generation, data) {
      const opened = Promise.withResolvers<void>();
      opening.set(generation, opened);
      send({ kind: 'open', generation, data });
      return opened.promise;
    },
    async close(generation) {
      if (gone) return;
      const closed = Promise.withResolvers<void>();
      closing.set(generation, closed);
      send({ kind: 'close', generation });
      await closed.promise;
    },
    run(batch) {
      if (running !== undefined) throw new TypeError('an executor works on one batch at a time');
      running = Promise.withResolvers();
      send({ kind: 'run', batch });
      return running.promise;
    },
    ended: ended.promise,
    async stop() {
      stopping = true;
      if (gone) return;
      // A thread that is terminated inside native code takes the whole process with it; one that hangs has to be.
      send({ kind: 'end' });
      const timer = setTimeout(() => void worker.terminate(), endMs);
      await ended.promise;
      clearTimeout(timer);
    },
  };
}
