import { expect, test } from 'vitest';
import { createRequestRate } from './request-rate.ts';

function rateAt(perSecond: number) {
  let nowMs = 0;
  const rate = createRequestRate(perSecond, () => nowMs);
  return {
    /** How many of `asked` requests in a row were let in. */
    letIn: (caller: string, asked: number) =>
      Array.from({ length: asked }, () => rate.take(caller)).filter((waitMs) => waitMs === 0).length,
    take: rate.take,
    pass: (ms: number) => (nowMs += ms),
  };
}

test('a caller asks as often as two seconds allow at once, then at the rate, and no other caller waits for it', () => {
  const { letIn, take, pass } = rateAt(5);
  expect(letIn('a', 30)).toBe(10);
  expect(take('a')).toBe(200);
  expect(letIn('b', 30)).toBe(10);
  pass(199);
  expect(take('a')).toBe(1);
  pass(1);
  expect(letIn('a', 3)).toBe(1);
  pass(1_000);
  expect(letIn('a', 30)).toBe(5);
  // Quiet time is not saved up without end.
  pass(3_600_000);
  expect(letIn('a', 30)).toBe(10);
});

test('less than a request a second', () => {
  const { letIn, take, pass } = rateAt(0.1);
  expect(letIn('a', 3)).toBe(1);
  expect(take('a')).toBe(10_000);
  pass(10_000);
  expect(take('a')).toBe(0);
});
