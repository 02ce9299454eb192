import { expect, test } from 'vitest';
import { percentilesOf } from './tally.ts';

test('percentiles are values that were measured, by nearest rank', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(percentilesOf(values)).toEqual({ p50Ms: 50, p95Ms: 95, p99Ms: 99, maxMs: 100 });
  expect(percentilesOf([3, 1, 2])).toEqual({ p50Ms: 2, p95Ms: 3, p99Ms: 3, maxMs: 3 });
});

test('one slow call among a hundred is the maximum and not the 99th percentile', () => {
  expect(percentilesOf([...Array<number>(99).fill(1), 5_000])).toMatchObject({ p99Ms: 1, maxMs: 5_000 });
});

test('no values have no percentiles', () => {
  expect(percentilesOf([]).p99Ms).toBeNaN();
});
