import { parentPort, workerData } from 'node:worker_threads';
import type { InferenceReply, InferenceRequest, InferenceSpec } from './inference-protocol.ts';
import { startInference, type Inference } from './inference-session.ts';

/** One thread with a model of its own: takes runs one after the other. Started by inference-pool.ts only. */
async function main(spec: InferenceSpec): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error('inference-worker.ts runs as a worker thread only');
  const reply = (message: InferenceReply): void => {
    port.postMessage(message, message.type === 'done' ? [message.values.buffer as ArrayBuffer] : []);
  };
  const cancelled = new Set<number>();
  const open = new Set<number>();
  let inference: Inference;
  try {
    inference = await startInference(spec);
  } catch (error) {
    reply({ type: 'broken', message: messageOf(error) });
    return;
  }
  async function answer({ id, query, texts }: InferenceRequest & { type: 'run' }): Promise<void> {
    try {
      const values = cancelled.has(id) ? undefined : await inference.run(query, texts, () => cancelled.has(id));
      reply(values === undefined ? { type: 'cancelled', id } : { type: 'done', id, values });
    } catch (error) {
      reply({ type: 'failed', id, message: messageOf(error) });
    }
    open.delete(id);
    cancelled.delete(id);
  }
  let last = Promise.resolve();
  port.on('message', (request: InferenceRequest) => {
    switch (request.type) {
      case 'run':
        open.add(request.id);
        last = last.then(() => answer(request));
        break;
      case 'cancel':
        if (open.has(request.id)) cancelled.add(request.id);
        break;
      case 'end':
        for (const id of open) cancelled.add(id);
        last = last.then(() => port.close());
        break;
    }
  });
  reply({ type: 'ready', width: inference.width });
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

// The pool that started this thread gave it what it needs.
await main(workerData as InferenceSpec);
