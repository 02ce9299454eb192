import { once } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildTimeoutMs, tinyEncoders } from '../../../tests/fixtures/tiny-encoders/tiny-encoders.ts';
import { startInferencePool, type InferencePool } from './inference-pool.ts';
import type { InferenceSpec } from './inference-protocol.ts';

let spec: InferenceSpec;
let pool: InferencePool | undefined;
const threads: Worker[] = [];
const keep = (worker: Worker): void => void threads.push(worker);

beforeAll(async () => {
  const { encoder } = await tinyEncoders();
  spec = {
    modelId: 'tiny',
    weightsPath: join(encoder, 'onnx/model.onnx'),
    tokenizerPath: join(encoder, 'tokenizer.json'),
    maxTokens: 64,
    paddingId: 0,
    lowerCase: false,
    output: { kind: 'vector', pooling: 'mean', normalise: true },
    outputName: undefined,
    threads: 1,
    maxBatchTokens: 1_024,
    maxBatchRows: 64,
  };
}, 2 * buildTimeoutMs);
afterEach(async () => {
  process.off('worker', keep);
  threads.length = 0;
  await pool?.dispose();
});

const manyTexts = Array.from({ length: 2_000 }, () => 'word '.repeat(60));

describe('inference pool', () => {
  it('fails the runs of a thread that dies as unavailable, and replaces it for the next', async () => {
    process.on('worker', keep);
    pool = await startInferencePool(spec, { workers: 1, maxPendingTexts: 100_000 });
    const lost = pool.run(undefined, manyTexts, undefined);
    const outcome = expect(lost).rejects.toMatchObject({ code: 'unavailable' });
    await threads[0]?.terminate();
    await outcome;
    expect(pool.pendingTexts).toBe(0);
    expect(await pool.run(undefined, ['word'], undefined)).toHaveLength(32);
    expect(threads).toHaveLength(2);
  });

  it('lets its threads end by themselves, also while they work for callers that have left', async () => {
    process.on('worker', keep);
    pool = await startInferencePool(spec, { workers: 2, maxPendingTexts: 100_000 });
    const exits = threads.map(async (thread) => await once(thread, 'exit'));
    const controller = new AbortController();
    const left = pool.run(undefined, manyTexts, controller.signal);
    const kept = pool.run(undefined, manyTexts, undefined);
    controller.abort();
    await expect(left).rejects.toMatchObject({ code: 'cancelled' });
    const refused = expect(kept).rejects.toMatchObject({ code: 'unavailable' });
    await pool.dispose();
    await refused;
    // A thread that is terminated ends with 1, and inside native code takes the process with it.
    expect(await Promise.all(exits)).toEqual([[0], [0]]);
    pool = undefined;
  });

  it('counts what waits, and forgets what was cancelled or has ended', async () => {
    pool = await startInferencePool(spec, { workers: 1, maxPendingTexts: 100_000 });
    const controller = new AbortController();
    const { run } = pool;
    const outcomes = [manyTexts, ['a'], ['b'], ['c']].map(async (texts) => {
      await expect(run(undefined, texts, controller.signal)).rejects.toMatchObject({ code: 'cancelled' });
    });
    expect(pool.pendingTexts).toBe(2_003);
    controller.abort();
    await Promise.all(outcomes);
    // The thread notices before its next batch; what comes after waits for that.
    expect(await pool.run(undefined, ['word'], undefined)).toHaveLength(32);
    expect(pool.pendingTexts).toBe(0);
  });

  it('ends what is under way when it is closed', async () => {
    pool = await startInferencePool(spec, { workers: 1, maxPendingTexts: 100_000 });
    const { run, dispose } = pool;
    const outcomes = [manyTexts, ['a'], ['b'], ['c']].map(async (texts) => {
      await expect(run(undefined, texts, undefined)).rejects.toMatchObject({ code: 'unavailable' });
    });
    await dispose();
    await Promise.all(outcomes);
  });
});
