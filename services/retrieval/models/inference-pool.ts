import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { cancelledFrom, TerminalError, throwIfCancelled, TransientError } from '#platform/errors.ts';
import type { InferenceReply, InferenceRequest, InferenceSpec } from './inference-protocol.ts';

export interface InferencePool {
  /** Numbers a text. */
  readonly width: number;
  readonly workers: number;
  /** Texts that wait or are worked on. */
  readonly pendingTexts: number;
  /** Texts x width. The signal ends the wait, and the work before its next batch. */
  run(query: string | undefined, texts: readonly string[], signal: AbortSignal | undefined): Promise<Float32Array>;
  dispose(): Promise<void>;
}

export interface InferencePoolOptions {
  readonly workers: number;
  /** More waiting texts than this are refused (`resource_exhausted`). */
  readonly maxPendingTexts: number;
}

interface Job {
  readonly id: number;
  readonly query: string | undefined;
  readonly texts: readonly string[];
  readonly resolve: (values: Float32Array) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly jobs: Map<number, Job>;
}

/** In a worker at once: the next run lies there when one ends. */
const jobsPerWorker = 2;

/**
 * Worker threads with a model each. Runs wait in one queue, in order, and go to the thread that has least to do. A thread
 * that dies fails its runs as `unavailable`, and is replaced.
 */
export async function startInferencePool(spec: InferenceSpec, options: InferencePoolOptions): Promise<InferencePool> {
  const threads = new Set<Thread>();
  /** Also those that start. */
  const alive = new Set<Worker>();
  const waiting = new Map<number, Job>();
  let nextId = 1;
  let pendingTexts = 0;
  let disposed = false;

  async function startThread(): Promise<number> {
    const worker = new Worker(new URL('./inference-worker.ts', import.meta.url), { workerData: spec });
    alive.add(worker);
    const thread: Thread = { worker, jobs: new Map() };
    return await new Promise<number>((resolve, reject) => {
      worker.on('message', (reply: InferenceReply) => {
        switch (reply.type) {
          case 'ready':
            threads.add(thread);
            resolve(reply.width);
            dispatch();
            break;
          case 'broken':
            reject(new TerminalError('failed_precondition', `model ${spec.modelId}: ${reply.message}`));
            break;
          case 'done':
            settle(thread, reply.id)?.resolve(reply.values);
            break;
          case 'cancelled':
            settle(thread, reply.id);
            break;
          case 'failed':
            settle(thread, reply.id)?.reject(new TerminalError('internal', `model ${spec.modelId}: ${reply.message}`));
            break;
        }
      });
      let cause: unknown;
      worker.on('error', (error) => (cause = error));
      worker.on('exit', (code) => {
        threads.delete(thread);
        alive.delete(worker);
        const message = `model ${spec.modelId}: a thread ended with code ${code}`;
        for (const { reject: fail } of thread.jobs.values())
          fail(new TransientError('unavailable', message, { cause }));
        for (const job of thread.jobs.values()) pendingTexts -= job.texts.length;
        thread.jobs.clear();
        reject(new TerminalError('failed_precondition', message, { cause }));
        if (!disposed) dispatch();
      });
    });
  }

  function settle(thread: Thread, id: number): Job | undefined {
    const job = thread.jobs.get(id);
    thread.jobs.delete(id);
    pendingTexts -= job?.texts.length ?? 0;
    dispatch();
    return job;
  }

  let replacing = false;
  function replaceThread(): void {
    if (replacing || disposed) return;
    replacing = true;
    startThread()
      .catch((error: Error) => {
        for (const job of waiting.values()) {
          pendingTexts -= job.texts.length;
          job.reject(error);
        }
        waiting.clear();
      })
      .finally(() => (replacing = false));
  }

  function dispatch(): void {
    if (waiting.size > 0 && threads.size < options.workers && started) replaceThread();
    for (const job of waiting.values()) {
      const [idlest] = [...threads].sort((a, b) => a.jobs.size - b.jobs.size);
      if (idlest === undefined || idlest.jobs.size >= jobsPerWorker) return;
      waiting.delete(job.id);
      idlest.jobs.set(job.id, job);
      const { id, query, texts } = job;
      idlest.worker.postMessage({ type: 'run', id, query, texts } satisfies InferenceRequest, []);
    }
  }

  function cancel(id: number): void {
    const job = waiting.get(id);
    if (job !== undefined) {
      waiting.delete(id);
      pendingTexts -= job.texts.length;
      return;
    }
    const thread = [...threads].find(({ jobs }) => jobs.has(id));
    thread?.worker.postMessage({ type: 'cancel', id } satisfies InferenceRequest, []);
  }

  async function dispose(): Promise<void> {
    disposed = true;
    for (const job of waiting.values())
      job.reject(new TransientError('unavailable', `model ${spec.modelId} is closed`));
    waiting.clear();
    const ended = Promise.all([...alive].map(async (worker) => await once(worker, 'exit')));
    for (const { worker, jobs } of threads) {
      for (const job of jobs.values()) job.reject(new TransientError('unavailable', `model ${spec.modelId} is closed`));
      // A thread that is ended inside the runtime's native code takes the whole process with it.
      worker.postMessage({ type: 'end' } satisfies InferenceRequest, []);
      alive.delete(worker);
    }
    for (const worker of alive) void worker.terminate();
    await ended;
  }

  let started = false;
  let width: number;
  try {
    [width = 0] = await Promise.all(Array.from({ length: options.workers }, startThread));
  } catch (error) {
    await dispose();
    throw error;
  }
  started = true;

  return {
    width,
    workers: options.workers,
    get pendingTexts() {
      return pendingTexts;
    },
    async run(query, texts, signal) {
      throwIfCancelled(signal);
      if (disposed) throw new TerminalError('failed_precondition', `model ${spec.modelId} is closed`);
      if (texts.length === 0) return new Float32Array(0);
      if (pendingTexts > 0 && pendingTexts + texts.length > options.maxPendingTexts) {
        throw new TransientError(
          'resource_exhausted',
          `model ${spec.modelId}: ${pendingTexts} texts wait; at most ${options.maxPendingTexts} may`,
        );
      }
      const id = nextId;
      nextId += 1;
      pendingTexts += texts.length;
      return await new Promise<Float32Array>((resolve, reject) => {
        const onAbort = (): void => {
          cancel(id);
          reject(cancelledFrom(signal?.reason));
        };
        const settled = (): void => signal?.removeEventListener('abort', onAbort);
        waiting.set(id, {
          id,
          query,
          texts,
          resolve: (values) => (settled(), resolve(values)),
          reject: (error) => (settled(), reject(error)),
        });
        signal?.addEventListener('abort', onAbort, { once: true });
        dispatch();
      });
    },
    dispose,
  };
}
