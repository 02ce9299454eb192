import { expect, it } from 'vitest';
import { hasPlateau } from './next.ts';

it('a plateau needs two windows and too small a rise', () => {
  const plateau = { windowSteps: 2, minDelta: 0.05 };
  expect(hasPlateau([0.1, 0.1, 0.1], plateau)).toBe(false);
  expect(hasPlateau([0.1, 0.1, 0.1, 0.1], plateau)).toBe(true);
  expect(hasPlateau([0.1, 0.1, 0.2, 0.2], plateau)).toBe(false);
  expect(hasPlateau([0, 0, 0.5, 0.5, 0.5, 0.5], plateau)).toBe(true);
});
