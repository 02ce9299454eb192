import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ScriptedJudgeOptions } from '../../tests/fakes/scripted-judge.ts';

/** What the endpoint did: the text of every reply by its id, faults by name, and calls. */
export interface EndpointReport {
  readonly replies: ReadonlyMap<string, string>;
  readonly faulted: ReadonlyMap<string, number>;
  readonly calls: number;
}

/** The scripted judge in a thread of its own; without a `script`, which cannot travel there. */
export async function startEndpoint(options: Omit<ScriptedJudgeOptions, 'script'>) {
  const worker = new Worker(new URL('endpoint-worker.ts', import.meta.url), { workerData: options });
  const [baseUrl]: unknown[] = await once(worker, 'message');
  return {
    baseUrl: String(baseUrl),
    async report(): Promise<EndpointReport> {
      const message = once(worker, 'message');
      worker.postMessage('report', []);
      const [report]: unknown[] = await message;
      // The worker posts nothing else after its address.
      return report as EndpointReport;
    },
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
}
