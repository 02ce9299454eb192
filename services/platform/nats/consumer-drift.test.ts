import { describe, expect, test } from 'vitest';

import { driftOf } from './consumer-drift.ts';
import type { ConsumerReading } from './consumer-drift.ts';

const inOrder: ConsumerReading = {
  storedBefore: 10,
  storedAfter: 10,
  published: 0,
  lastSequence: 50,
  pending: 6,
  ackPending: 4,
  deliveredSequence: 44,
};

describe('a consumer and its queue', () => {
  test('agree when each queued task is to be delivered or delivered', () => {
    expect(driftOf(inOrder)).toBeUndefined();
  });

  test('deliveries of tasks that are gone are counted', () => {
    expect(driftOf({ ...inOrder, ackPending: 34 })).toEqual({ gone: 30, forgotten: 0, isAhead: false });
  });

  test('queued tasks that the consumer does not know are counted', () => {
    expect(driftOf({ ...inOrder, pending: 0 })).toEqual({ gone: 0, forgotten: 6, isAhead: false });
  });

  test('a consumer that has delivered what was never stored is of another stream', () => {
    const ahead = { ...inOrder, storedBefore: 0, storedAfter: 0, pending: 0, ackPending: 0, deliveredSequence: 51 };
    expect(driftOf(ahead)).toEqual({ gone: 0, forgotten: 0, isAhead: true });
  });

  test('what is published between the readings is not drift, wherever it was counted', () => {
    const published = { ...inOrder, storedAfter: 13, published: 3 };
    expect(driftOf({ ...published, pending: 9 })).toBeUndefined();
    expect(driftOf(published)).toBeUndefined();
  });

  test('what is settled between the readings is not drift, wherever it was counted', () => {
    expect(driftOf({ ...inOrder, storedAfter: 7 })).toBeUndefined();
    expect(driftOf({ ...inOrder, storedAfter: 7, ackPending: 1 })).toBeUndefined();
  });
});
