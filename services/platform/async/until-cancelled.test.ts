import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import { CancelledError } from '../errors.ts';
import { untilCancelled } from './sleep.ts';

describe('a wait for work that cannot be interrupted', () => {
  test('gives the result, or the error, of work that ends first, and lets go of the signal', async () => {
    const { signal } = new AbortController();
    expect(await untilCancelled(Promise.resolve(7), signal)).toBe(7);
    await expect(untilCancelled(Promise.reject(new Error('broken')), signal)).rejects.toThrow('broken');
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(await untilCancelled(Promise.resolve(8), undefined)).toBe(8);
  });

  test('ends when the signal aborts, and the late failure of the work harms nobody', async () => {
    const controller = new AbortController();
    const { promise, reject } = Promise.withResolvers<number>();
    const waiting = untilCancelled(promise, controller.signal);
    controller.abort();
    await expect(waiting).rejects.toBeInstanceOf(CancelledError);
    reject(new Error('too late'));
    await expect(untilCancelled(promise, controller.signal)).rejects.toBeInstanceOf(CancelledError);
  });
});
