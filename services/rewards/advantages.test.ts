import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { computeAdvantages, meanOf, rewardsVary } from './advantages.ts';

const close = (actual: readonly number[], wanted: readonly number[]) => {
  expect(actual).toHaveLength(wanted.length);
  for (const [index, value] of wanted.entries()) expect(actual[index]).toBeCloseTo(value, 5);
};

describe('advantages', () => {
  it('match the golden values of the reference implementations', () => {
    close(computeAdvantages([1, 0, 0], 'grpo'), [1.154698, -0.577349, -0.577349]);
    close(computeAdvantages([1, 0, 0], 'grpo_no_std'), [0.666667, -0.333333, -0.333333]);
    close(computeAdvantages([1, 0, 0], 'rloo'), [1, -0.5, -0.5]);
  });

  it('with gae are the rewards, also of a group of one: the learner has the baseline', () => {
    expect(computeAdvantages([1, 0, 0.5], 'gae')).toEqual([1, 0, 0.5]);
    expect(computeAdvantages([1], 'gae')).toEqual([1]);
  });

  it.each(['grpo', 'grpo_no_std', 'rloo'] as const)('of a group of one are 0 (%s)', (method) => {
    expect(computeAdvantages([1], method)).toEqual([0]);
    expect(computeAdvantages([], method)).toEqual([]);
  });

  it('sum to zero and keep the order of the rewards', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 2, maxLength: 16 }), (rewards) => {
        for (const method of ['grpo', 'grpo_no_std', 'rloo'] as const) {
          const advantages = computeAdvantages(rewards, method);
          expect(Math.abs(meanOf(advantages))).toBeLessThan(1e-6);
          const best = rewards.indexOf(Math.max(...rewards));
          expect(advantages[best]).toBeGreaterThanOrEqual(Math.max(...advantages) - 1e-9);
        }
      }),
    );
  });

  it('see no variance in equal rewards, whatever the rounding', () => {
    expect(rewardsVary([0.1, 0.1, 0.1], 1e-6)).toBe(false);
    expect(rewardsVary([0.1 + 0.2, 0.3], 1e-6)).toBe(false);
    expect(rewardsVary([1], 0)).toBe(false);
    expect(rewardsVary([0, 0.25], 1e-6)).toBe(true);
  });
});
