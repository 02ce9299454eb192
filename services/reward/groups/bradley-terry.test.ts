import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectedWinRates, fitStrengths } from './bradley-terry.ts';
import type { PairOutcome } from './pair-schedule.ts';

const allPairs = (count: number): [number, number][] =>
  Array.from({ length: count }, (_, a) => a).flatMap((a) =>
    Array.from({ length: count - a - 1 }, (_, step): [number, number] => [a, a + 1 + step]),
  );

const chance = (a: number, b: number): number => 1 / (1 + Math.exp(b - a));

/** Hunter's MM iteration (2004) with the same prior: an independent way to the same maximum. */
function byMinorization(count: number, outcomes: readonly PairOutcome[], prior: number): number[] {
  let worths = Array.from({ length: count }, () => 1);
  for (let step = 0; step < 20_000; step += 1) {
    worths = worths.map((own, index) => {
      let points = prior / 2;
      let sum = prior / (own + 1);
      for (const { pair, share = 0 } of outcomes) {
        if (pair[0] !== index && pair[1] !== index) continue;
        points += pair[0] === index ? share : 1 - share;
        sum += 1 / (own + (worths[pair[0] === index ? pair[1] : pair[0]] ?? 1));
      }
      return points / sum;
    });
  }
  return worths.map(Math.log);
}

describe('strengths', () => {
  test('of two members that won three of four are log 3 apart, but for the prior', () => {
    const outcomes = Array.from({ length: 4000 }, (_, game): PairOutcome => ({
      pair: [0, 1],
      share: game % 4 === 0 ? 0 : 1,
    }));
    const [a = 0, b = 0] = fitStrengths(2, outcomes);
    expect(a - b).toBeCloseTo(Math.log(3), 3);
    expect(a + b).toBeCloseTo(0, 9);
  });

  test('are the known ones when every pair came out as expected', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 2, maxLength: 12 }), (known) => {
        const outcomes = allPairs(known.length).flatMap((pair): PairOutcome[] =>
          Array.from({ length: 200 }, () => ({ pair, share: chance(known[pair[0]] ?? 0, known[pair[1]] ?? 0) })),
        );
        const fitted = fitStrengths(known.length, outcomes);
        // Only differences can be known; where zero lies is up to the prior.
        known.forEach((one, index) => {
          expect((fitted[index] ?? 0) - (fitted[0] ?? 0)).toBeCloseTo(one - (known[0] ?? 0), 1);
        });
      }),
      { numRuns: 50 },
    );
  });

  test('equal those of the MM iteration', () => {
    const outcomes: PairOutcome[] = [
      { pair: [0, 1], share: 1 },
      { pair: [1, 2], share: 0.5 },
      { pair: [2, 3], share: 1 },
      { pair: [3, 0], share: 0.75 },
      { pair: [0, 2], share: 1 },
    ];
    const fitted = fitStrengths(4, outcomes);
    byMinorization(4, outcomes, 0.2).forEach((one, index) => expect(fitted[index]).toBeCloseTo(one, 6));
  });

  test('stay finite for one that wins all and one that loses all, and keep the order of a perfect judge', () => {
    const outcomes = allPairs(64).map((pair): PairOutcome => ({ pair, share: 1 }));
    const fitted = [...fitStrengths(64, outcomes)];
    expect(fitted.every(Number.isFinite)).toBe(true);
    expect(fitted).toEqual(fitted.toSorted((a, b) => b - a));
    expect(new Set(fitted).size).toBe(64);
  });

  test('do not depend on how members are numbered, nor on which of a pair is named first', () => {
    const outcome = fc.tuple(fc.nat(5), fc.nat(5), fc.constantFrom(0, 0.25, 0.5, 0.75, 1)).filter(([a, b]) => a !== b);
    fc.assert(
      fc.property(fc.array(outcome, { maxLength: 30 }), (drawn) => {
        const straight = drawn.map(([a, b, share]): PairOutcome => ({ pair: [a, b], share }));
        const turned = drawn.map(([a, b, share]): PairOutcome => ({ pair: [5 - b, 5 - a], share: 1 - share }));
        const one = fitStrengths(6, straight);
        const other = fitStrengths(6, turned).toReversed();
        one.forEach((strength, index) => {
          expect(Number.isFinite(strength)).toBe(true);
          expect(other[index]).toBeCloseTo(strength, 6);
        });
      }),
    );
  });

  test('a member that met nobody, or whose pairs could not be judged, is of middling strength', () => {
    expect(
      fitStrengths(3, [
        { pair: [0, 1], share: 1 },
        { pair: [1, 2], share: undefined },
      ])[2],
    ).toBe(0);
  });
});

test('expected win rates are within 0..1, a half on average, and in the order of the strengths', () => {
  const strength = fc.double({ min: -30, max: 30, noNaN: true });
  fc.assert(
    fc.property(fc.array(strength, { minLength: 2, maxLength: 20 }), (strengths) => {
      const rates = expectedWinRates(Float64Array.from(strengths));
      const mean = rates.reduce((sum, one) => sum + one, 0) / rates.length;
      expect(mean).toBeCloseTo(0.5, 9);
      strengths.forEach((own, a) => {
        expect(rates[a]).toBeGreaterThanOrEqual(0);
        expect(rates[a]).toBeLessThanOrEqual(1);
        strengths.forEach((other, b) => {
          if (own > other) expect(rates[a] ?? 0).toBeGreaterThanOrEqual((rates[b] ?? 0) - 1e-12);
        });
      });
    }),
  );
});
