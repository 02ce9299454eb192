import { describe, expect, it } from 'vitest';
import { normalise, poolTokens } from './pool-tokens.ts';

// Three tokens of width two; the third is padding.
const hidden = Float32Array.of(1, 2, 3, 6, 100, 100);

describe('poolTokens', () => {
  it('takes the mean over real tokens, the first, or the last real one', () => {
    expect([...poolTokens(hidden, 2, 2, 'mean')]).toEqual([2, 4]);
    expect([...poolTokens(hidden, 2, 2, 'cls')]).toEqual([1, 2]);
    expect([...poolTokens(hidden, 2, 2, 'last')]).toEqual([3, 6]);
  });

  it('scales to length one, and leaves zeros alone', () => {
    expect([...normalise(Float64Array.of(3, 4))]).toEqual([0.6, 0.8]);
    expect([...normalise(Float64Array.of(0, 0))]).toEqual([0, 0]);
  });
});
