import { describe, expect, it } from 'vitest';
import { createEnginePool, type EnginePool, type EnginePoolOptions } from './engine-pool.ts';

function poolOf(options: Partial<EnginePoolOptions> = {}): EnginePool {
  const pool = createEnginePool({ engines: 2, maxInFlightPerEngine: 2, maxQueued: 2, maxSessions: 100, ...options });
  for (let engine = 0; engine < (options.engines ?? 2); engine += 1) pool.setUp(engine, true);
  return pool;
}

const none: ReadonlySet<number> = new Set();
const { signal } = new AbortController();
const ask = (pool: EnginePool, session: string, exclude = none, by = signal) =>
  pool.acquire(session, { exclude, signal: by });

describe('engine pool', () => {
  it('sends a session to the engine it had, and new sessions to the least loaded', async () => {
    const pool = poolOf({ maxInFlightPerEngine: 8 });
    const first = await ask(pool, 'a');
    expect(first.engine).toBe(0);
    expect((await ask(pool, 'b')).engine).toBe(1);
    expect((await ask(pool, 'a')).engine).toBe(0);
    expect((await ask(pool, 'a')).engine).toBe(0);
    expect((await ask(pool, 'c')).engine).toBe(1);
  });

  it('moves a session whose engine went down, and keeps it where it went', async () => {
    const pool = poolOf();
    (await ask(pool, 'a')).release();
    pool.setUp(0, false);
    (await ask(pool, 'a')).release();
    pool.setUp(0, true);
    expect((await ask(pool, 'a')).engine).toBe(1);
  });

  it('P6: lets requests wait in order when all engines are full, and refuses those over the limit with a time to come back', async () => {
    const pool = poolOf({ engines: 1, maxInFlightPerEngine: 1 });
    const lease = await ask(pool, 'a');
    const order: string[] = [];
    const second = ask(pool, 'b').then((next) => (order.push('b'), next));
    const third = ask(pool, 'c').then((next) => (order.push('c'), next));
    await expect(ask(pool, 'd')).rejects.toMatchObject({
      name: 'TransientError',
      code: 'resource_exhausted',
      retryAfterMs: 250,
    });
    expect(pool.counts()).toEqual({ up: 1, inFlight: 1, queued: 2 });
    lease.release();
    lease.release();
    (await second).release();
    (await third).release();
    expect(order).toEqual(['b', 'c']);
    expect(pool.counts()).toEqual({ up: 1, inFlight: 0, queued: 0 });
  });

  it('refuses at once when no engine is left that has not failed the request', async () => {
    const pool = poolOf();
    await expect(ask(pool, 'a', new Set([0, 1]))).rejects.toMatchObject({ code: 'unavailable' });
    pool.setUp(0, false);
    await expect(ask(pool, 'a', new Set([1]))).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('P3: refuses those that wait when the last engine goes down', async () => {
    const pool = poolOf({ engines: 1, maxInFlightPerEngine: 1 });
    await ask(pool, 'a');
    const waiting = ask(pool, 'b');
    pool.setUp(0, false);
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('serves a waiting request from an engine that comes up', async () => {
    const pool = poolOf({ maxInFlightPerEngine: 1 });
    pool.setUp(1, false);
    await ask(pool, 'a');
    const waiting = ask(pool, 'b');
    pool.setUp(1, true);
    expect((await waiting).engine).toBe(1);
  });

  it('P3: forgets a request that is cancelled while it waits', async () => {
    const pool = poolOf({ engines: 1, maxInFlightPerEngine: 1 });
    await ask(pool, 'a');
    const controller = new AbortController();
    const waiting = ask(pool, 'b', none, controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'CancelledError' });
    expect(pool.counts().queued).toBe(0);
  });

  it('P6: remembers a bounded number of sessions', async () => {
    const pool = poolOf({ maxSessions: 1, maxInFlightPerEngine: 8 });
    const a = await ask(pool, 'a');
    await ask(pool, 'b');
    a.release();
    await ask(pool, 'c');
    await ask(pool, 'c');
    expect((await ask(pool, 'a')).engine).toBe(1);
  });
});
