import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import type { InferencePool } from './inference-pool.ts';

/** Of one run in a worker: enough to sort by length, few enough that other callers' turns come soon. */
const textsPerRun = 128;

/** Runs of a bounded size, so that all threads have a share of a long list. */
export async function runInParts(
  pool: InferencePool,
  query: string | undefined,
  texts: readonly string[],
  prefix: string,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const size = Math.min(textsPerRun, Math.max(1, Math.ceil(texts.length / pool.workers)));
  const starts = Array.from({ length: Math.ceil(texts.length / size) }, (_, part) => part * size);
  const parts = await mapConcurrent(
    starts,
    pool.workers * 2,
    async (start) =>
      await pool.run(
        query,
        texts.slice(start, start + size).map((text) => prefix + text),
        signal,
      ),
    signal,
  );
  const values = new Float32Array(texts.length * pool.width);
  parts.forEach((part, at) => values.set(part, (starts[at] ?? 0) * pool.width));
  return values;
}
