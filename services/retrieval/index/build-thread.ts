/** Builds one index for `build-in-thread.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { errorFrom } from '#platform/errors.ts';
import { buildIndex } from './build-index.ts';
import type { BuildProgress } from './write-index.ts';
import type { BuildThreadTask, BuildThreadWord } from './build-in-thread.ts';

const stopping = new AbortController();
const say = (word: BuildThreadWord): void => parentPort?.postMessage(word, []);
parentPort?.once('message', () => stopping.abort());

try {
  // What build-in-thread.ts gave.
  const task = workerData as BuildThreadTask;
  const onProgress = task.tellProgress
    ? (progress: BuildProgress): void => say({ kind: 'progress', progress })
    : undefined;
  const manifest = await buildIndex({ ...task.options, onProgress, signal: stopping.signal });
  say({ kind: 'built', manifest });
} catch (thrown) {
  const { code, message } = errorFrom(thrown);
  say({ kind: 'failed', code, message });
}
parentPort?.close();
