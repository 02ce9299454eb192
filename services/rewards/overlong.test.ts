import { describe, expect, it } from 'vitest';
import { overlongPenalty } from './compose.ts';

describe('the overlong penalty', () => {
  it("is the paper's", () => {
    const shaping = { maxTokens: 20_480, bufferTokens: 4096, factor: 1 };
    expect([16_384, 18_432, 20_480, 24_576].map((tokens) => overlongPenalty(tokens, shaping))).toEqual([
      0, -0.5, -1, -1,
    ]);
    expect(overlongPenalty(100_000, { ...shaping, factor: 0.5 })).toBe(-0.5);
  });
});
