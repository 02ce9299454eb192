import { describe, expect, test } from 'vitest';

import { CancelledError, TerminalError, TransientError } from '../errors.ts';
import { deadlineSignal } from './deadline-signal.ts';
import { mapConcurrent } from './map-concurrent.ts';
import { pauseAfter, retry } from './retry.ts';
import { createSemaphore } from './semaphore.ts';
import { sleep } from './sleep.ts';

describe('sleep', () => {
  test('an abort ends it at once with the reason', async () => {
    const controller = new AbortController();
    const sleeping = sleep(60_000, controller.signal);
    controller.abort(new Error('enough'));
    await expect(sleeping).rejects.toMatchObject({ name: 'CancelledError', code: 'cancelled', message: 'enough' });
    await expect(sleep(60_000, controller.signal)).rejects.toBeInstanceOf(CancelledError);
  });
});

describe('deadlineSignal', () => {
  test('P3: it aborts with deadline_exceeded and names the wait', async () => {
    using deadline = deadlineSignal(undefined, 5, 'the tool');
    await expect(sleep(60_000, deadline.signal)).rejects.toMatchObject({
      code: 'deadline_exceeded',
      message: 'the tool took longer than 5 ms',
    });
  });

  test('it aborts with its parent, also one that has aborted before', () => {
    const parent = new AbortController();
    using before = deadlineSignal(parent.signal, 60_000);
    parent.abort(new Error('stop'));
    using after = deadlineSignal(parent.signal, 60_000);
    expect(before.signal.reason).toBe(parent.signal.reason);
    expect(after.signal.aborted).toBe(true);
  });
});

describe('semaphore', () => {
  test('waiters get permits in order of arrival, and a permit is given back once', async () => {
    const semaphore = createSemaphore(1);
    const release = await semaphore.acquire();
    const order: number[] = [];
    const waiters = [1, 2, 3].map((n) => semaphore.run(() => Promise.resolve(order.push(n))));
    expect(semaphore.waiting).toBe(3);
    release();
    release();
    await Promise.all(waiters);
    expect(order).toEqual([1, 2, 3]);
    expect(semaphore.available).toBe(1);
  });

  test('a waiter that is cancelled leaves the queue and takes no permit', async () => {
    const semaphore = createSemaphore(1);
    const release = await semaphore.acquire();
    const controller = new AbortController();
    const waiting = semaphore.acquire(controller.signal);
    controller.abort();
    await expect(waiting).rejects.toBeInstanceOf(CancelledError);
    release();
    expect(semaphore.available).toBe(1);
  });

  test('a failing holder gives its permit back', async () => {
    const semaphore = createSemaphore(2);
    await expect(semaphore.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(semaphore.available).toBe(2);
    expect(() => createSemaphore(0)).toThrow(/at least 1/);
  });
});

describe('retry', () => {
  const quick = { attempts: 4, baseMs: 1 };

  test('transient failures are tried again, up to the number of attempts', async () => {
    let calls = 0;
    const away = () => {
      calls += 1;
      return Promise.reject(new TransientError('unavailable', 'down', { retryAfterMs: 0 }));
    };
    await expect(retry(away, quick)).rejects.toMatchObject({ code: 'unavailable' });
    expect(calls).toBe(4);
  });

  test('a later success is the result', async () => {
    const result = await retry((attempt) => {
      if (attempt < 3) throw new TransientError('unavailable', 'down', { retryAfterMs: 0 });
      return Promise.resolve(attempt);
    }, quick);
    expect(result).toBe(3);
  });

  test('terminal failures are not repeated', async () => {
    let calls = 0;
    await expect(
      retry(() => {
        calls += 1;
        return Promise.reject(new TerminalError('not_found', 'none'));
      }, quick),
    ).rejects.toMatchObject({ code: 'not_found' });
    expect(calls).toBe(1);
  });

  test('a failure that may pass is whatever the caller says, and the time of all calls ends it', async () => {
    let calls = 0;
    const late = () => {
      calls += 1;
      return Promise.reject(new CancelledError('deadline_exceeded', 'too slow'));
    };
    const mayPass = (error: Error) => error instanceof CancelledError;
    await expect(retry(late, { baseMs: 1, maxMs: 1, withinMs: 20, mayPass })).rejects.toMatchObject({
      code: 'deadline_exceeded',
    });
    expect(calls).toBeGreaterThan(1);
    await expect(retry(late, { baseMs: 1, withinMs: 0, mayPass })).rejects.toThrow('too slow');
  });

  test('a free failure counts for nothing, and a pause ends with the signal that belongs to its error', async () => {
    const stop = new AbortController();
    let calls = 0;
    const full = () => {
      calls += 1;
      return Promise.reject(new TransientError('resource_exhausted', 'full', { retryAfterMs: calls < 9 ? 0 : 60_000 }));
    };
    const retrying = retry(full, {
      attempts: 1,
      baseMs: 1,
      isFree: () => true,
      pauseEnds: () => stop.signal,
      onRetry: () => void (calls === 9 && setImmediate(() => stop.abort())),
    });
    await expect(retrying).rejects.toBeInstanceOf(CancelledError);
    expect(calls).toBe(9);
  });

  test('a pause doubles up to its bound, half of it at random', () => {
    const pauses = (random: number) =>
      [1, 2, 3, 4].map((failures) => pauseAfter(failures, { baseMs: 100, maxMs: 400, random: () => random }, 60));
    expect(pauses(0)).toEqual([60, 100, 200, 200]);
    expect(pauses(1)).toEqual([100, 200, 400, 400]);
  });

  test('the wait is at least what the other side asked for, and the signal ends it', async () => {
    const controller = new AbortController();
    const retrying = retry(
      () => Promise.reject(new TransientError('resource_exhausted', 'full', { retryAfterMs: 60_000 })),
      { ...quick, signal: controller.signal, onRetry: () => setImmediate(() => controller.abort()) },
    );
    await expect(retrying).rejects.toBeInstanceOf(CancelledError);
  });
});

describe('mapConcurrent', () => {
  test('results keep the order and no more than the limit run at a time', async () => {
    let running = 0;
    let most = 0;
    const results = await mapConcurrent([5, 1, 3, 2, 4], 2, async (n) => {
      running += 1;
      most = Math.max(most, running);
      // The later ones of a pair end first.
      for (let turn = 0; turn < n; turn += 1) await Promise.resolve();
      running -= 1;
      return n * 10;
    });
    expect(results).toEqual([50, 10, 30, 20, 40]);
    expect(most).toBe(2);
  });

  test('the first failure is thrown and nothing further starts', async () => {
    const started: number[] = [];
    const mapping = mapConcurrent([1, 2, 3, 4], 1, (n) => {
      started.push(n);
      return n === 2 ? Promise.reject(new Error('two')) : Promise.resolve(n);
    });
    await expect(mapping).rejects.toThrow('two');
    expect(started).toEqual([1, 2]);
  });

  test('an aborted signal starts nothing', async () => {
    const signal = AbortSignal.abort();
    await expect(mapConcurrent([1], 1, () => Promise.resolve(1), signal)).rejects.toBeInstanceOf(CancelledError);
  });
});
