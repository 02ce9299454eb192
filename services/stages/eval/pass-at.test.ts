import { describe, expect, it } from 'vitest';
import { defaultPassAt, passAt } from './report.ts';

describe('pass@k', () => {
  it('is the chance that k of n samples hold a success, by the formula and by counting', () => {
    // 1 - C(7,3)/C(10,3) = 1 - 35/120.
    expect(passAt(3, 10, 3)).toBeCloseTo(1 - 35 / 120, 12);
    expect(passAt(1, 4, 1)).toBeCloseTo(0.25, 12);
    expect(passAt(2, 4, 1)).toBeCloseTo(0.5, 12);
    expect(passAt(4, 4, 1)).toBe(1);
    expect(passAt(2, 5, 0)).toBe(0);
  });

  it('P2: is not known where fewer than k samples came back', () => {
    expect(passAt(4, 3, 3)).toBeUndefined();
  });

  it('is reported for powers of two, and for all samples', () => {
    expect(defaultPassAt(1)).toEqual([1]);
    expect(defaultPassAt(8)).toEqual([1, 2, 4, 8]);
    expect(defaultPassAt(6)).toEqual([1, 2, 4, 6]);
  });
});
