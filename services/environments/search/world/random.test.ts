import { describe, expect, test } from 'vitest';
import { createRandom } from './random.ts';

describe('the seeded source of randomness', () => {
  test('P8: gives the same numbers for the same seed, and others for another', () => {
    const draw = (seed: number | string): number[] => {
      const random = createRandom(seed);
      return Array.from({ length: 20 }, () => random.next());
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw('7')).toEqual(draw(7));
    expect(draw(8)).not.toEqual(draw(7));
  });

  test('a fork does not depend on what was drawn before it', () => {
    const fresh = createRandom(1);
    const used = createRandom(1);
    used.next();
    expect(used.fork('a').next()).toBe(fresh.fork('a').next());
    expect(fresh.fork('a').next()).not.toBe(fresh.fork('b').next());
  });

  test('numbers are uniform: each of 10 buckets gets its share of 100,000 within 5 standard deviations', () => {
    const random = createRandom('uniform');
    const buckets = Array.from({ length: 10 }, () => 0);
    for (let i = 0; i < 100_000; i++) {
      const bucket = random.below(10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(5 * Math.sqrt(100_000 * 0.1 * 0.9));
  });

  test('a shuffle keeps the elements and leaves the list alone', () => {
    const list = Array.from({ length: 50 }, (_, i) => i);
    const shuffled = createRandom(3).shuffle(list);
    expect(shuffled).not.toEqual(list);
    expect(shuffled.sort((a, b) => a - b)).toEqual(list);
    expect(list[0]).toBe(0);
  });

  test('weights rule how often a value comes, and 0 never comes', () => {
    const random = createRandom('weights');
    const counts = { a: 0, b: 0, c: 0 };
    for (let i = 0; i < 10_000; i++)
      counts[
        random.weighted([
          ['a', 3],
          ['b', 1],
          ['c', 0],
        ] as const)
      ] += 1;
    expect(counts.c).toBe(0);
    expect(counts.a / 10_000).toBeCloseTo(0.75, 1);
  });

  test('impossible draws throw', () => {
    const random = createRandom(1);
    expect(() => random.below(0)).toThrow(RangeError);
    expect(() => random.below(1.5)).toThrow(RangeError);
    expect(() => random.pick([])).toThrow(RangeError);
    expect(() => random.weighted([['a', 0]])).toThrow(RangeError);
  });
});
