import { afterEach, describe, expect, it, vi } from 'vitest';
import { TransientError } from '#platform/errors.ts';
import {
  createEnginePool,
  type EnginePool,
  type EnginePoolOptions,
  type PoolRequest,
  type ReportedLoad,
} from './engine-pool.ts';

const bounds = { maxInFlightPerEngine: 2, maxQueued: 2, maxSessions: 100, maxOutageMs: 60_000 };

function poolOf(options: Partial<EnginePoolOptions> = {}, engines = ['a:1', 'b:1']): EnginePool {
  const pool = createEnginePool({ ...bounds, ...options });
  for (const address of engines) {
    pool.add(address);
    pool.setUp(address, 0n);
  }
  return pool;
}

const { signal } = new AbortController();
const ask = (pool: EnginePool, sessionId: string, request: Partial<PoolRequest> = {}, by = signal) =>
  pool.acquire({ sessionId, priority: 0, minVersion: 0n, trainedAt: undefined, failed: new Map(), ...request }, by);
const whereTo = async (pool: EnginePool, session: string, request: Partial<PoolRequest> = {}): Promise<string> =>
  (await ask(pool, session, request)).address;
const counts = (pool: EnginePool) => [pool.entries().map(({ inFlight }) => inFlight), pool.queued()];
const load = (reported: Partial<ReportedLoad>): ReportedLoad => ({
  running: 0,
  waiting: 0,
  capacity: 8,
  kvUsedRatio: 0,
  preemptions: 0n,
  ...reported,
});

afterEach(() => void vi.useRealTimers());

describe('engine pool', () => {
  it('sends a session to the engine it had, and new sessions to the least loaded', async () => {
    const pool = poolOf({ maxInFlightPerEngine: 8 });
    expect(await whereTo(pool, 's')).toBe('a:1');
    expect(await whereTo(pool, 't')).toBe('b:1');
    expect(await whereTo(pool, 's')).toBe('a:1');
    expect(await whereTo(pool, 's')).toBe('a:1');
    expect(await whereTo(pool, 'u')).toBe('b:1');
  });

  it('counts what other gateways sent to an engine, as the engine reports', async () => {
    const pool = poolOf({ maxInFlightPerEngine: 8 });
    pool.report('a:1', load({ running: 5, waiting: 1 }));
    for (const session of ['s', 't', 'u']) expect(await whereTo(pool, session)).toBe('b:1');
  });

  it('takes a session off its engine when that is overloaded and another is not', async () => {
    const pool = poolOf({ maxInFlightPerEngine: 8 });
    (await ask(pool, 's')).release();
    pool.report('a:1', load({ kvUsedRatio: 0.97 }));
    pool.report('b:1', load({ waiting: 7 }));
    expect(await whereTo(pool, 's')).toBe('a:1');
    pool.report('b:1', load({ running: 7 }));
    expect(await whereTo(pool, 's')).toBe('b:1');
  });

  it('moves a session whose engine went down, and does not send it back for a cache that is gone', async () => {
    const pool = poolOf({}, ['b:1', 'a:1']);
    (await ask(pool, 's')).release();
    pool.setDown('b:1');
    pool.setUp('b:1', 0n);
    const other = await ask(pool, 't');
    expect(other.address).toBe('b:1');
    expect(await whereTo(pool, 's')).toBe('a:1');
  });

  it('P6: lets requests wait in order when all engines are full, and refuses those over the limit with a time to come back', async () => {
    const pool = poolOf({ maxInFlightPerEngine: 1 }, ['a:1']);
    const lease = await ask(pool, 's');
    const order: string[] = [];
    const second = ask(pool, 't').then((next) => (order.push('t'), next));
    const third = ask(pool, 'u').then((next) => (order.push('u'), next));
    await expect(ask(pool, 'v')).rejects.toMatchObject({
      name: 'TransientError',
      code: 'resource_exhausted',
      retryAfterMs: 250,
    });
    expect(counts(pool)).toEqual([[1], 2]);
    lease.release();
    lease.release();
    (await second).release();
    (await third).release();
    expect(order).toEqual(['t', 'u']);
    expect(counts(pool)).toEqual([[0], 0]);
  });

  it('lets an evaluation go before the training requests that wait', async () => {
    const pool = poolOf({ maxInFlightPerEngine: 1 }, ['a:1']);
    const lease = await ask(pool, 's');
    const order: string[] = [];
    const train = ask(pool, 'train').then((next) => (order.push('train'), next.release()));
    const evaluation = ask(pool, 'eval', { priority: 1 }).then((next) => (order.push('eval'), next.release()));
    lease.release();
    await Promise.all([train, evaluation]);
    expect(order).toEqual(['eval', 'train']);
  });

  it('P5: never gives a request to an engine with older weights than it asks for', async () => {
    const pool = poolOf({ maxInFlightPerEngine: 1 });
    pool.setUp('b:1', 3n);
    expect(await whereTo(pool, 's', { minVersion: 3n })).toBe('b:1');
    const waiting = ask(pool, 't', { minVersion: 4n });
    // It holds up nobody who can do with less.
    expect(await whereTo(pool, 'u')).toBe('a:1');
    pool.setUp('a:1', 3n);
    pool.add('c:1');
    pool.setUp('c:1', 4n);
    expect((await waiting).address).toBe('c:1');
  });

  it('asks an engine again that failed a request once it has been down in between', async () => {
    const pool = poolOf({}, ['a:1']);
    const { life } = await ask(pool, 's');
    const failed = new Map([['a:1', life]]);
    expect(pool.canServe({ sessionId: 's', priority: 0, minVersion: 0n, trainedAt: undefined, failed })).toBe(false);
    const waiting = ask(pool, 's', { failed });
    pool.setDown('a:1');
    pool.setUp('a:1', 0n);
    expect((await waiting).life).toBe(life + 1);
  });

  it('keeps requests while no engine is there, and serves them when one joins', async () => {
    const pool = poolOf({}, []);
    const waiting = ask(pool, 's');
    pool.add('late:1');
    pool.setUp('late:1', 0n);
    expect((await waiting).address).toBe('late:1');
  });

  it('P3: keeps them only so long, and names what is there and what they need', async () => {
    vi.useFakeTimers();
    const pool = poolOf({ maxOutageMs: 1_000 }, ['a:1']);
    const waiting = ask(pool, 's', { minVersion: 9n });
    const refused = expect(waiting).rejects.toThrow(/serve version 0 \(1 known\), and the request needs version 9/);
    await vi.advanceTimersByTimeAsync(1_500);
    await refused;
    expect(pool.queued()).toBe(0);
  });

  it('sends nothing new to an engine that drains', async () => {
    const pool = poolOf();
    (await ask(pool, 's')).release();
    pool.setDraining('a:1');
    for (const session of ['s', 't']) expect(await whereTo(pool, session)).toBe('b:1');
  });

  it('P3: forgets a request that is cancelled while it waits', async () => {
    const pool = poolOf({ maxInFlightPerEngine: 1 }, ['a:1']);
    await ask(pool, 's');
    const controller = new AbortController();
    const waiting = ask(pool, 't', {}, controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'CancelledError' });
    expect(pool.queued()).toBe(0);
  });

  it('P3: refuses requests that wait when it closes, and requests that come later', async () => {
    const pool = poolOf({}, []);
    const waiting = ask(pool, 's');
    pool.close(new TransientError('unavailable', 'this gateway stops'));
    await expect(waiting).rejects.toThrow('stops');
    await expect(ask(pool, 't')).rejects.toThrow('stops');
  });

  it('P6: remembers a bounded number of sessions', async () => {
    const pool = poolOf({ maxSessions: 1, maxInFlightPerEngine: 8 });
    const first = await ask(pool, 's');
    await ask(pool, 't');
    first.release();
    await ask(pool, 'u');
    await ask(pool, 'u');
    expect(await whereTo(pool, 's')).toBe('b:1');
  });
});
