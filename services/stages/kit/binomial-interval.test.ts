import { expect, it } from 'vitest';
import { wilsonInterval } from './estimate.ts';

it('the Wilson interval has its textbook values', () => {
  // 10 of 100: 5.52 % .. 17.44 %; 0 of 10: 0 .. 27.75 %.
  expect(wilsonInterval(10, 100).low).toBeCloseTo(0.0552, 4);
  expect(wilsonInterval(10, 100).high).toBeCloseTo(0.1744, 4);
  expect(wilsonInterval(0, 10).low).toBe(0);
  expect(wilsonInterval(0, 10).high).toBeCloseTo(0.2775, 4);
  expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 });
});
