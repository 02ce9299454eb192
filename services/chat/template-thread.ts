import { Worker } from 'node:worker_threads';
import { TerminalError, TransientError, type GradusError } from '#platform/errors.ts';
import type { RenderReply, RenderRequest, RenderedText } from './render-thread.ts';

export interface TemplateThread extends AsyncDisposable {
  /** In the order of the inputs. Rejects with TerminalError where the template is none, or takes longer or more than it may. */
  render(inputs: readonly Readonly<Record<string, unknown>>[]): Promise<readonly RenderedText[]>;
}

export interface TemplateBounds {
  /** Of all texts of one call. */
  readonly timeoutMs: number;
  readonly memoryMebibytes: number;
}

interface Job {
  readonly request: RenderRequest;
  readonly resolve: (texts: readonly RenderedText[]) => void;
  readonly reject: (error: GradusError) => void;
}

interface Thread {
  readonly worker: Worker;
  ready: boolean;
}

/** Starting a thread reads a few files. */
const startMs = 120_000;

/**
 * One thread that renders a template, started with the first call:
 *
 *     none --call--> starting --ready--> rendering --reply, nothing waits--> idle --call--> rendering
 *                                        rendering --time or memory exceeded--> none
 */
export function createTemplateThread(source: string, bounds: TemplateBounds): TemplateThread {
  const jobs: Job[] = [];
  let thread: Thread | undefined;
  let timer: NodeJS.Timeout | undefined;

  function start(): Thread {
    const worker = new Worker(new URL('./render-thread.ts', import.meta.url), {
      name: 'chat-template',
      workerData: source,
      resourceLimits: { maxOldGenerationSizeMb: bounds.memoryMebibytes, stackSizeMb: 4 },
    });
    worker.unref();
    const started: Thread = { worker, ready: false };
    worker.on('message', (reply: RenderReply) => {
      if (thread !== started) return;
      switch (reply.kind) {
        case 'ready':
          started.ready = true;
          next();
          break;
        case 'broken':
          end(started, new TerminalError('invalid_argument', `is not a template: ${reply.message}`));
          break;
        case 'done':
          jobs.shift()?.resolve(reply.texts);
          next();
          break;
      }
    });
    worker.on('error', (cause) => end(started, errorOf(cause)));
    return started;
  }

  function errorOf(cause: Error): GradusError {
    return 'code' in cause && cause.code === 'ERR_WORKER_OUT_OF_MEMORY'
      ? new TerminalError('invalid_argument', `took more than ${bounds.memoryMebibytes} MiB of memory`, { cause })
      : new TransientError('unavailable', `the thread that renders ended: ${cause.message}`, { cause });
  }

  /** Fails the call that is first in the queue; those behind it get a thread of their own. */
  function end(ended: Thread, error: GradusError): void {
    if (thread !== ended) return;
    thread = undefined;
    void ended.worker.terminate();
    jobs.shift()?.reject(error);
    next();
  }

  /** Sends what is first in the queue, once there is a thread. */
  function next(): void {
    clearTimeout(timer);
    const [job] = jobs;
    if (job === undefined) return;
    const current = (thread ??= start());
    const [within, late] = current.ready
      ? [bounds.timeoutMs, new TerminalError('invalid_argument', `did not end within ${bounds.timeoutMs} ms`)]
      : [startMs, new TransientError('unavailable', `its thread did not start within ${startMs} ms`)];
    timer = setTimeout(() => end(current, late), within);
    if (current.ready) current.worker.postMessage(job.request, []);
  }

  return {
    render: (inputs) =>
      new Promise((resolve, reject) => {
        jobs.push({ request: { inputs }, resolve, reject });
        if (jobs.length === 1) next();
      }),
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      const last = thread;
      thread = undefined;
      for (const { reject } of jobs.splice(0)) reject(new TransientError('unavailable', 'the service stops'));
      await last?.worker.terminate();
    },
  };
}
