import { expect, test } from 'vitest';
import type { Health } from '#platform/grpc/health-client.ts';
import { watchHealth } from './watch-health.ts';

const never = (): Promise<Health> => new Promise(() => undefined);

/** `turns` are what the service answers to one question after another; the last one goes on. `stalls` lengthens our own ticks. */
function watch(turns: readonly (() => Promise<Health>)[], stalls: readonly number[] = []) {
  let clock = 0;
  let ticks = 0;
  const notServing: number[] = [];
  const end = new AbortController();
  const watched = watchHealth({
    probe: {
      ask: () => (turns[Math.min(ticks, turns.length - 1)] ?? never)(),
      [Symbol.dispose]: () => undefined,
    },
    hungAfterMs: 8_000,
    signal: end.signal,
    now: () => clock,
    wait: async (milliseconds) => {
      clock += milliseconds + (stalls[ticks] ?? 0);
      ticks += 1;
      await new Promise((resolve) => setImmediate(resolve));
      if (ticks > 40) end.abort();
    },
    onNotServing: (forMs) => void notServing.push(forMs),
  });
  return { watched, notServing, clock: () => clock };
}

const serving = (): Promise<Health> => Promise.resolve('serving');
const refused = (): Promise<Health> => Promise.reject(new Error('connection refused'));

test('P10: silence for as long as is allowed is reported, with what the last question met', async () => {
  const { watched, clock } = watch([serving, serving, refused]);
  expect(await watched).toEqual({ silentMs: 8_000, reason: 'connection refused' });
  expect(clock()).toBe(10_000);
});

test('time that we were stopped or starved ourselves is not held against the service', async () => {
  const { watched, clock } = watch([never], [60_000, 60_000]);
  expect((await watched)?.silentMs).toBe(8_000);
  expect(clock()).toBe(128_000);
});

test('a late answer ends the silence', async () => {
  const late = Promise.withResolvers<Health>();
  const third = (): Promise<Health> => {
    late.resolve('serving');
    return never();
  };
  const { watched, clock } = watch([() => late.promise, never, third, never]);
  expect((await watched)?.silentMs).toBe(8_000);
  expect(clock()).toBeGreaterThan(8_000);
});

test('a service that answers that it does not serve is not hung; it is said once', async () => {
  const { watched, notServing } = watch([() => Promise.resolve('not_serving')]);
  expect(await watched).toBeUndefined();
  expect(notServing).toEqual([10_000]);
});
