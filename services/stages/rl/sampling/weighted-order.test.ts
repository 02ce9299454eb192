import { describe, expect, test } from 'vitest';
import { createRandom } from '#platform/random.ts';
import { weightedOrder } from './step-prompts.ts';

const order = (weights: readonly number[], ...seed: (string | number)[]) => [
  ...weightedOrder(weights, createRandom(...seed)),
];

describe('the weighted order', () => {
  test('has every index with a weight once, and none without', () => {
    expect(new Set(order([1, 0, 2, 0.5], 'a'))).toEqual(new Set([0, 2, 3]));
    expect(order([1, 0, 2, 0.5], 'a')).toHaveLength(3);
    expect(order([0, 0], 'a')).toEqual([]);
  });

  test('P8: is the same for the same seed, and another one for another', () => {
    const weights = Array.from({ length: 50 }, (_, index) => 1 + (index % 3));
    expect(order(weights, 'x', 1)).toEqual(order(weights, 'x', 1));
    expect(order(weights, 'x', 1)).not.toEqual(order(weights, 'x', 2));
  });

  test('begins with an index as often as its share of the weights says', () => {
    const first = [0, 0, 0, 0];
    const draws = 5_000;
    for (let draw = 0; draw < draws; draw++) {
      const index = order([1, 2, 3, 4], 'shares', draw)[0] ?? 0;
      first[index] = (first[index] ?? 0) + 1;
    }
    for (const [index, count] of first.entries()) {
      const share = (index + 1) / 10;
      // Four standard deviations of a binomial.
      expect(Math.abs(count / draws - share)).toBeLessThan(4 * Math.sqrt((share * (1 - share)) / draws));
    }
  });

  test('draws the second without the first: P(0 then 1) = 1/6 * 2/5 for weights 1, 2, 3', () => {
    const draws = 5_000;
    let hits = 0;
    for (let draw = 0; draw < draws; draw++) {
      const [a, b] = order([1, 2, 3], 'second', draw);
      if (a === 0 && b === 1) hits += 1;
    }
    const share = 1 / 15;
    expect(Math.abs(hits / draws - share)).toBeLessThan(4 * Math.sqrt((share * (1 - share)) / draws));
  });

  test('keeps the order of the others when a weight becomes 0', () => {
    const all = order([1, 1, 1, 1, 1], 'same');
    expect(order([1, 1, 0, 1, 1], 'same')).toEqual(all.filter((index) => index !== 2));
  });
});
