import { describe, expect, it } from 'vitest';
import { estimateOf } from './estimate.ts';

describe('an estimate', () => {
  it('has the Wilson interval where every row gives 0 or 1', () => {
    const estimate = estimateOf([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], ['seed']);
    expect(estimate).toMatchObject({ value: 0.3, interval: 'wilson', rows: 10 });
    // Newcombe 1998, method 3: 3 of 10.
    expect(estimate?.low).toBeCloseTo(0.1078, 3);
    expect(estimate?.high).toBeCloseTo(0.6032, 3);
  });

  it('P8: has the same bootstrap interval for the same seed, near the normal one for many rows', () => {
    const values = Array.from({ length: 400 }, (_, index) => (index % 5) / 4);
    const estimate = estimateOf(values, [7, 'stage']);
    expect(estimate).toEqual(estimateOf(values, [7, 'stage']));
    expect(estimate).not.toEqual(estimateOf(values, [8, 'stage']));
    expect(estimate).toMatchObject({ value: 0.5, interval: 'bootstrap' });
    // The deviation of 0, 1/4 .. 1 is sqrt(1/8); 1.96 of its error is 0.0346.
    expect(estimate?.low).toBeCloseTo(0.5 - 0.0346, 2);
    expect(estimate?.high).toBeCloseTo(0.5 + 0.0346, 2);
  });

  it('P2: is there only where a row has a value', () => {
    expect(estimateOf([], ['seed'])).toBeUndefined();
  });
});
