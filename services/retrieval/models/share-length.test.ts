import { expect, it } from 'vitest';
import { shareLength } from './sequence-tokenizer.ts';

it.each([
  // first, second, room, kept: worked out by hand from the rule that the longer gives first.
  [3, 4, 10, [3, 4]],
  [3, 20, 10, [3, 7]],
  [20, 3, 10, [7, 3]],
  [20, 30, 10, [5, 5]],
  [20, 30, 11, [5, 6]],
  [30, 20, 11, [6, 5]],
  [30, 30, 11, [5, 6]],
  [0, 30, 11, [0, 11]],
  [5, 5, 0, [0, 0]],
])('of %i and %i tokens with room for %i, %j stay', (first, second, room, kept) => {
  expect(shareLength(first, second, room)).toEqual(kept);
});
