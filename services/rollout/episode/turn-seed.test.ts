import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { turnSeed } from './generate-turn.ts';

describe('turnSeed', () => {
  it('P8: is the same for the same rollout and turn, and fits uint64', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, (1n << 64n) - 1n), fc.nat(1000), (seed, turn) => {
        const derived = turnSeed(seed, turn);
        expect(derived).toBe(turnSeed(seed, turn));
        expect(derived >= 0n && derived < 1n << 64n).toBe(true);
      }),
    );
  });

  it('P8: differs between the turns of a rollout and between neighbouring rollouts', () => {
    const seeds = Array.from({ length: 100 }, (_, seed) =>
      Array.from({ length: 20 }, (_unused, turn) => turnSeed(BigInt(seed), turn)),
    ).flat();
    expect(new Set(seeds).size).toBe(2000);
  });
});
