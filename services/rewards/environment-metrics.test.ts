import { expect, test } from 'vitest';
import { environmentMeans, environmentMetricsProblem } from './environment-metrics.ts';

test('P2: a mean is over the episodes that reported the metric, and one that nobody reported is absent', () => {
  expect(environmentMeans([{ moves: 2, won: 1 }, { moves: 4 }, {}])).toEqual({
    means: { moves: 3, won: 1 },
    leftOut: 0,
  });
  expect(environmentMeans([{}, {}])).toEqual({ means: {}, leftOut: 0 });
});

test('P9: names that differ from row to row are bounded, the most frequent are kept, and the others counted', () => {
  const episodes = Array.from({ length: 50 }, (_, at) => ({ [`row_${at}`]: at, moves: 1 }));
  const { means, leftOut } = environmentMeans(episodes);
  expect(Object.keys(means)).toHaveLength(32);
  expect(means['moves']).toBe(1);
  expect(leftOut).toBe(19);
});

test.each([
  [{ 'no spaces': 1 }, 'metrics: the name "no spaces" must be a letter, then letters, digits and _, at most 64'],
  [{ moves: Number.NaN }, 'metrics.moves: NaN; it must be a finite number'],
  [
    Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`m${at}`, 1])),
    'metrics: 33 of them; at most 32: keep those that people look at',
  ],
  [{ moves: 3, won: -1.5 }, undefined],
])('of %j it says %s', (metrics, problem) => {
  expect(environmentMetricsProblem(metrics)).toBe(problem);
});
