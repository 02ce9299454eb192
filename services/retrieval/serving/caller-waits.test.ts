import { expect, test } from 'vitest';
import { createCallerWaits } from './caller-waits.ts';

const long = 600_000;

test('a wait ends with its last part', async () => {
  const ends: number[] = [];
  const wait = createCallerWaits(long).begin(2, undefined, (left) => ends.push(left));
  wait.arrived();
  expect(wait.over).toBe(false);
  wait.arrived();
  expect(wait.over).toBe(true);
  await wait.ended;
  wait.fail(new Error('too late to matter'));
  expect(ends).toEqual([0]);
});

test('a caller that leaves ends its wait at once, and hears of nothing afterwards', async () => {
  const controller = new AbortController();
  const ends: number[] = [];
  const wait = createCallerWaits(long).begin(3, controller.signal, (left) => ends.push(left));
  wait.arrived();
  controller.abort(new Error('left'));
  await expect(wait.ended).rejects.toMatchObject({ name: 'CancelledError', code: 'cancelled' });
  wait.arrived();
  wait.arrived();
  expect(ends).toEqual([2]);
});

test('a caller that has left already does not begin', () => {
  expect(() => createCallerWaits(long).begin(1, AbortSignal.abort(), () => {})).toThrow(/aborted/);
});

test('P3: waits that nothing ends are ended by the deadline, each of them', async () => {
  const waits = createCallerWaits(5);
  const all = Array.from({ length: 3 }, () => waits.begin(1, undefined, () => {}));
  // The timer alone must not hold the process; this test has to live until it fires.
  const alive = setInterval(() => {}, 1_000);
  try {
    for (const wait of all) {
      await expect(wait.ended).rejects.toMatchObject({ code: 'deadline_exceeded' });
      await expect(wait.ended).rejects.toThrow(/within 5 ms \(--max-ms\)/);
    }
  } finally {
    clearInterval(alive);
  }
});
