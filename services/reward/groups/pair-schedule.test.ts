import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRandom } from '#platform/random.ts';
import { type Pair, type PairOutcome, type ScheduleSettings, createPairSchedule } from './pair-schedule.ts';
import { tieByValue } from './score-members.ts';

/** All pairs of a schedule whose judge prefers the lower index. */
function play(settings: ScheduleSettings, count: number, seed = 'seed', share?: number): Pair[] {
  const schedule = createPairSchedule(settings, count, createRandom(seed));
  const outcomes: PairOutcome[] = [];
  for (let round = schedule(outcomes); round.length > 0; round = schedule(outcomes)) {
    outcomes.push(...round.map((pair) => ({ pair, share: share ?? (pair[0] < pair[1] ? 1 : 0) })));
  }
  return outcomes.map(({ pair }) => pair);
}

const keyOf = ([a, b]: Pair): string => `${Math.min(a, b)}-${Math.max(a, b)}`;
const degreesOf = (pairs: readonly Pair[], count: number): number[] =>
  Array.from({ length: count }, (_, member) => pairs.filter((pair) => pair.includes(member)).length);

function connected(pairs: readonly Pair[], count: number): boolean {
  const reached = new Set([0]);
  for (let grown = true; grown;) {
    const before = reached.size;
    for (const [a, b] of pairs) if (reached.has(a) || reached.has(b)) reached.add(a).add(b);
    grown = reached.size > before;
  }
  return reached.size === count;
}

const counts = fc.integer({ min: 2, max: 33 });

describe('a schedule', () => {
  test('of all pairs has each exactly once', () => {
    fc.assert(
      fc.property(counts, (count) => {
        const pairs = play({ kind: 'all_pairs' }, count);
        expect(new Set(pairs.map(keyOf)).size).toBe((count * (count - 1)) / 2);
        expect(pairs).toHaveLength((count * (count - 1)) / 2);
      }),
    );
  });

  test('never pairs anybody with itself or twice with another, whatever its kind', () => {
    const settings = fc.oneof(
      fc.record({ kind: fc.constant('circular' as const), rounds: fc.integer({ min: 1, max: 32 }) }),
      fc.record({ kind: fc.constant('swiss' as const), rounds: fc.integer({ min: 1, max: 32 }) }),
      fc.record({ kind: fc.constant('budget' as const), pairs: fc.integer({ min: 1, max: 528 }) }),
    );
    fc.assert(
      fc.property(settings, counts, fc.string(), (one, count, seed) => {
        const pairs = play(one, count, seed);
        expect(pairs.every(([a, b]) => a !== b && a >= 0 && b >= 0 && a < count && b < count)).toBe(true);
        expect(new Set(pairs.map(keyOf)).size).toBe(pairs.length);
      }),
    );
  });

  test('of Swiss compares everybody within two rounds, also in an odd group', () => {
    fc.assert(
      fc.property(counts, fc.string(), fc.constantFrom(undefined, 0.5), (count, seed, share) => {
        expect(Math.min(...degreesOf(play({ kind: 'swiss', rounds: 2 }, count, seed, share), count))).toBeGreaterThan(
          0,
        );
      }),
    );
  });

  test('of a budget keeps it, spreads it evenly, and connects everybody as soon as that is possible', () => {
    fc.assert(
      fc.property(counts, fc.integer({ min: 1, max: 528 }), (count, wanted) => {
        const all = (count * (count - 1)) / 2;
        const pairs = play({ kind: 'budget', pairs: Math.min(wanted, all) }, count);
        expect(pairs).toHaveLength(Math.min(wanted, all));
        const degrees = degreesOf(pairs, count);
        expect(Math.max(...degrees) - Math.min(...degrees)).toBeLessThanOrEqual(2);
        if (pairs.length >= count - 1) expect(connected(pairs, count)).toBe(true);
      }),
    );
  });

  test('circular lets each member meet its neighbours on both sides', () => {
    expect(degreesOf(play({ kind: 'circular', rounds: 2 }, 9), 9)).toEqual(Array.from({ length: 9 }, () => 4));
  });

  test('Swiss brings members with like points together', () => {
    const pairs = play({ kind: 'swiss', rounds: 4 }, 16);
    expect(pairs).toHaveLength(32);
    // Those who have won all three games so far are 0 and one more: they meet in the last round.
    const last = pairs.slice(24).find((pair) => pair.includes(0));
    expect(last).toBeDefined();
    expect(degreesOf(pairs, 16)).toEqual(Array.from({ length: 16 }, () => 4));
  });

  test('is the same for the same seed and another one for another', () => {
    const settings: ScheduleSettings = { kind: 'budget', pairs: 10 };
    expect(play(settings, 16, 'a')).toEqual(play(settings, 16, 'a'));
    expect(play(settings, 16, 'a')).not.toEqual(play(settings, 16, 'b'));
  });
});

describe('ties by value', () => {
  test('have the best first, and a chain of small steps is no long tie', () => {
    expect(tieByValue([0, 1, 0.5, 1], 0)).toEqual([[1, 3], [2], [0]]);
    expect(tieByValue([0, 0.1, 0.2, 0.3], 0.15)).toEqual([
      [2, 3],
      [0, 1],
    ]);
  });
});
