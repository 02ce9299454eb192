import { sfc32 } from '#platform/random.ts';

/**
 * A seeded source of randomness: same seed and label, same numbers, on every machine. `fork` gives an independent stream, so that drawing
 * more for one purpose does not shift another. The seeding is its own, FNV-1a of the label: the bytes of committed worlds follow from it.
 */
/** What lists may hold: anything but undefined and null. */
export type Value = object | string | number | boolean;

export interface Random {
  /** Uniform in [0, 1), 32 bits. */
  next(): number;
  /** Uniform integer in [0, bound); bound >= 1. */
  below(bound: number): number;
  /** Uniform element; throws RangeError on an empty list. */
  pick<T extends Value>(list: readonly T[]): T;
  /** A shuffled copy. */
  shuffle<T extends Value>(list: readonly T[]): T[];
  /** A value with probability proportional to its weight; throws RangeError when no weight is above 0. */
  weighted<T>(weights: readonly (readonly [T, number])[]): T;
  fork(label: string): Random;
}

function hash(text: string, basis: number): number {
  let value = basis >>> 0;
  for (let i = 0; i < text.length; i++) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  return value;
}

export function createRandom(seed: number | string): Random {
  const label = String(seed);
  const next32 = sfc32(hash(label, 0x811c9dc5), hash(label, 0x9e3779b9), hash(label, 0x85ebca6b), 1);
  // Spreads the bits of the seed, as the generator's author advises.
  for (let i = 0; i < 15; i++) next32();

  const random: Random = {
    next: () => next32() / 0x1_0000_0000,
    below(bound) {
      if (!Number.isInteger(bound) || bound < 1)
        throw new RangeError(`below(${bound}): the bound must be an integer >= 1`);
      return Math.floor(random.next() * bound);
    },
    pick(list) {
      const found = list[random.below(Math.max(1, list.length))];
      if (found === undefined) throw new RangeError('pick: the list is empty');
      return found;
    },
    shuffle: <T extends Value>(list: readonly T[]): T[] => {
      const copy = [...list];
      for (let i = copy.length - 1; i > 0; i--) {
        const j = random.below(i + 1);
        const left: T | undefined = copy[i];
        const right: T | undefined = copy[j];
        if (left === undefined || right === undefined) continue;
        copy[i] = right;
        copy[j] = left;
      }
      return copy;
    },
    weighted(weights) {
      const entries = weights.filter(([, weight]) => weight > 0);
      let rest = random.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [value, weight] of entries) {
        rest -= weight;
        if (rest < 0) return value;
      }
      // Rounding may leave a rest of 0: then it is the last one.
      const last = entries.at(-1);
      if (last === undefined) throw new RangeError('weighted: no weight is above 0');
      return last[0];
    },
    fork: (child) => createRandom(`${label}/${child}`),
  };
  return random;
}
