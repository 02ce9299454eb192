import { Worker } from 'node:worker_threads';
import { TerminalError, errorOfCode, throwIfCancelled, type ErrorCode } from '#platform/errors.ts';
import type { BuildIndexOptions } from './build-index.ts';
import type { IndexManifest } from './manifest.ts';
import type { BuildProgress } from './write-index.ts';

/** What the thread is given. */
export interface BuildThreadTask {
  readonly options: Omit<BuildIndexOptions, 'onProgress' | 'signal'>;
  readonly tellProgress: boolean;
}

/** What the thread says. */
export type BuildThreadWord =
  | { readonly kind: 'progress'; readonly progress: BuildProgress }
  | { readonly kind: 'built'; readonly manifest: IndexManifest }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };

/** `buildIndex` in a thread of its own, for a process that answers calls meanwhile. */
export async function buildInThread({ onProgress, signal, ...options }: BuildIndexOptions): Promise<IndexManifest> {
  throwIfCancelled(signal);
  const task: BuildThreadTask = { options, tellProgress: onProgress !== undefined };
  const worker = new Worker(new URL('build-thread.ts', import.meta.url), { workerData: task });
  // The thread removes what it wrote, and says that it was cancelled.
  const stop = (): void => worker.postMessage('stop', []);
  signal?.addEventListener('abort', stop, { once: true });
  try {
    return await new Promise((resolve, reject) => {
      worker.on('message', (word: BuildThreadWord) => {
        switch (word.kind) {
          case 'progress':
            return onProgress?.(word.progress);
          case 'built':
            return resolve(word.manifest);
          case 'failed':
            return reject(errorOfCode(word.code, word.message));
        }
      });
      worker.once('error', (cause) =>
        reject(new TerminalError('internal', `the thread that builds an index died: ${cause.message}`, { cause })),
      );
      worker.once('exit', () => reject(new TerminalError('internal', 'the thread that builds an index ended')));
    });
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}
