import { expect, test } from 'vitest';
import { kendall, spearman } from './rank-correlation.ts';

test('the same order is 1, the reverse -1, and no order 0', () => {
  for (const correlation of [kendall, spearman]) {
    expect(correlation([1, 2, 3, 4], [10, 20, 30, 99])).toBeCloseTo(1, 12);
    expect(correlation([1, 2, 3, 4], [4, 3, 2, 1])).toBeCloseTo(-1, 12);
    expect(correlation([1, 2, 3, 4], [7, 7, 7, 7])).toBe(0);
  }
});

test('one swap of neighbours among four', () => {
  // Kendall: 5 of 6 pairs agree. Spearman: 1 - 6 x 2 / (4 x 15).
  expect(kendall([1, 2, 3, 4], [2, 1, 3, 4])).toBeCloseTo(4 / 6, 12);
  expect(spearman([1, 2, 3, 4], [2, 1, 3, 4])).toBeCloseTo(0.8, 12);
});

test('ties count as neither', () => {
  // 5 pairs agree, one is tied: 5 / sqrt(6 x 5).
  expect(kendall([1, 2, 3, 4], [1, 1, 3, 4])).toBeCloseTo(5 / Math.sqrt(30), 12);
});
