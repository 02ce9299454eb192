import { expect, test } from 'vitest';
import { learningRateAt } from './learning-rate.ts';

const schedule = { learning_rate: 0.1, warmup_steps: 2, final_learning_rate_share: 0.5 };
const ratesOf = (kind: 'constant' | 'linear' | 'cosine', steps = 10): number[] =>
  [0, 1, 2, 6, 10].map((step) => learningRateAt({ ...schedule, learning_rate_schedule: kind }, step, steps));

test('a learning rate rises over the warm-up and then does what its schedule says', () => {
  const close = (rates: number[]) => rates.map((rate) => expect.closeTo(rate, 12) as unknown);
  expect(ratesOf('constant')).toEqual(close([0.05, 0.1, 0.1, 0.1, 0.1]));
  expect(ratesOf('linear')).toEqual(close([0.05, 0.1, 0.1, 0.075, 0.05]));
  expect(ratesOf('cosine')).toEqual(close([0.05, 0.1, 0.1, 0.075, 0.05]));
  expect(learningRateAt({ ...schedule, learning_rate_schedule: 'cosine' }, 4, 10)).toBeCloseTo(0.0926776695, 9);
});

test('a stage of no steps, or of fewer than its warm-up, has a finite learning rate', () => {
  for (const steps of [0, 1, 2]) expect(ratesOf('linear', steps).every(Number.isFinite)).toBe(true);
});
