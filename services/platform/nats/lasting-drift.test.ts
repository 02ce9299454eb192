import { expect, test } from 'vitest';

import type { ConsumerReading } from './consumer-drift.ts';
import { lastingDrift } from './lasting-drift.ts';

const inOrder: ConsumerReading = {
  storedBefore: 10,
  storedAfter: 10,
  published: 0,
  lastSequence: 50,
  pending: 6,
  ackPending: 4,
  deliveredSequence: 44,
};

/** `reading` gives the reading of each look, counted from 0. */
async function look(reading: (index: number) => Partial<ConsumerReading>) {
  let readings = 0;
  const drift = await lastingDrift(
    async () => ({ ...inOrder, ...reading(readings++) }),
    async () => {},
  );
  return { drift, readings };
}

test('a drift where no task of that purpose moves is clear after four readings, whatever tasks of the other purpose do', async () => {
  expect(await look((index) => ({ ackPending: 34, lastSequence: 50 + index }))).toEqual({
    drift: { gone: 30, forgotten: 0, isAhead: false },
    readings: 4,
  });
});

test('P10: a drift under steady traffic is found as well: what is published meanwhile hides a part of it, never all', async () => {
  const { drift } = await look((index) => ({
    ackPending: 34,
    published: index % 3,
    storedAfter: 10 + (index % 3),
    deliveredSequence: 44 + index,
  }));
  expect(drift).toEqual({ gone: 28, forgotten: 0, isAhead: false });
});

test('a consumer in order that seems to drift in several readings, by other messages each time, is left alone', async () => {
  // Acknowledged and not yet removed, or the other way round: now these, now those.
  const seen = [7, 5, 6, 4, 3, 5, 2, 1, 4, 0];
  expect((await look((index) => ({ ackPending: 4 + (seen[index] ?? 0), deliveredSequence: 44 + index }))).drift).toBe(
    undefined,
  );
});

test('tasks that look forgotten now and gone then are neither', async () => {
  expect((await look((index) => ({ ackPending: index % 2 === 0 ? 6 : 2 }))).drift).toBe(undefined);
});

test('a number that falls in each reading is no lasting one', async () => {
  expect((await look((index) => ({ ackPending: 4 + Math.max(0, 200 - 3 * index) }))).drift).toBe(undefined);
});
