import { expect, it } from 'vitest';
import { createRandom, permutation } from './random.ts';

it('random integers are uniform', () => {
  const random = createRandom('test', 1);
  const counts = [0, 0, 0];
  for (let draw = 0; draw < 30_000; draw++) {
    const value = random(3);
    counts[value] = (counts[value] ?? 0) + 1;
  }
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(300);
  expect(permutation(5, createRandom(1)).toSorted()).toEqual(Uint32Array.of(0, 1, 2, 3, 4));
});
