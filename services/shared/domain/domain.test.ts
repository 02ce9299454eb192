import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { computeAdvantages, meanOf, rewardsVary } from './advantages.ts';
import { wilsonInterval } from './binomial-interval.ts';
import { isFreshEnough, rolloutCapacity } from './capacity.ts';
import { decideGate } from './gate.ts';
import type { Gate } from './gate.ts';
import { overlongPenalty } from './overlong.ts';
import { hasPlateau } from './plateau.ts';
import { createPromptSampler } from './prompt-sampler.ts';
import { createRandom, permutation } from './random.ts';
import { groupIdOf, samplingSeedOf, taskIdOf } from './task-ids.ts';

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

describe('the overlong penalty', () => {
  it("is the paper's", () => {
    const shaping = { maxTokens: 20_480, bufferTokens: 4096, factor: 1 };
    expect([16_384, 18_432, 20_480, 24_576].map((tokens) => overlongPenalty(tokens, shaping))).toEqual([
      0, -0.5, -1, -1,
    ]);
    expect(overlongPenalty(100_000, { ...shaping, factor: 0.5 })).toBe(-0.5);
  });
});

describe('ids of tasks', () => {
  const key = { recipeHash: 'abc', seed: 1, stage: 'one', step: 0, draw: 'prompt:0', questionId: '2hop__1_2' };

  it('P8: are a golden hash of recipe, seed, stage, step, draw, question and sample', () => {
    // printf '["task","abc",1,"one",0,"prompt:0","2hop__1_2",0]' | sha256sum
    expect(taskIdOf(key, 0)).toBe('c1e1b3c7c03b8987162806f615b72fbc663889a9ce2e4bb1d322c88adcdb206c');
    expect(taskIdOf({ ...key }, 0)).toBe(taskIdOf(key, 0));
  });

  it('differ when any part differs', () => {
    const variants = [
      key,
      { ...key, recipeHash: 'abd' },
      { ...key, seed: 2 },
      { ...key, stage: 'two' },
      { ...key, step: 1 },
      { ...key, draw: 'prompt:1' },
      { ...key, questionId: 'x' },
    ];
    const ids = variants.flatMap((variant) => [groupIdOf(variant), taskIdOf(variant, 0), taskIdOf(variant, 1)]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('give a sampling seed of 63 bits', () => {
    expect(samplingSeedOf('f'.repeat(64))).toBe(2n ** 63n - 1n);
    expect(samplingSeedOf(`${'0'.repeat(15)}1${'f'.repeat(48)}`)).toBe(1n);
  });
});

describe('the prompt sampler', () => {
  const options = { seed: 1, stage: 'one', lane: 'prompt', size: 10 } as const;
  const draws = (sampler: { questionAt(draw: number): number }, from: number, to: number) =>
    Array.from({ length: to - from }, (_, index) => sampler.questionAt(from + index));

  it('P8: gives the same question for the same draw, in whatever order draws are asked', () => {
    const wanted = draws(createPromptSampler(options), 0, 35);
    const sampler = createPromptSampler(options);
    for (const draw of [34, 3, 17, 3, 0, 25]) expect(sampler.questionAt(draw)).toBe(wanted[draw]);
  });

  it('asks every question once in an epoch, and shuffles every epoch anew', () => {
    const sampler = createPromptSampler(options);
    const first = draws(sampler, 0, 10);
    const second = draws(sampler, 10, 20);
    expect(first.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(second.toSorted((a, b) => a - b)).toEqual(first.toSorted((a, b) => a - b));
    expect(second).not.toEqual(first);
  });

  it('has different orders for other seeds, stages and lanes', () => {
    const orders = [
      options,
      { ...options, seed: 2 },
      { ...options, stage: 'two' },
      { ...options, lane: 'replacement' as const },
    ].map((variant) => draws(createPromptSampler(variant), 0, 10).join());
    expect(new Set(orders).size).toBe(4);
  });
});

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

it('the Wilson interval has its textbook values', () => {
  // 10 of 100: 5.52 % .. 17.44 %; 0 of 10: 0 .. 27.75 %.
  expect(wilsonInterval(10, 100).low).toBeCloseTo(0.0552, 4);
  expect(wilsonInterval(10, 100).high).toBeCloseTo(0.1744, 4);
  expect(wilsonInterval(0, 10).low).toBe(0);
  expect(wilsonInterval(0, 10).high).toBeCloseTo(0.2775, 4);
  expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 });
});

describe('a gate', () => {
  const gate: Gate = { metric: 'sampled.exact_match', atLeast: 0.2, onFail: 'stop', maxRepeats: 1 };

  it('passes on its bound and says what it saw', () => {
    expect(decideGate(gate, {}, { 'sampled.exact_match': 0.2 }, 0)).toEqual({
      passed: true,
      action: 'continue',
      reason: 'sampled.exact_match 0.2, at least 0.2',
    });
  });

  it('fails below its bound, or when the metric is absent', () => {
    expect(decideGate(gate, {}, { 'sampled.exact_match': 0.19 }, 0)).toMatchObject({ passed: false, action: 'stop' });
    expect(decideGate(gate, {}, {}, 0)).toEqual({
      passed: false,
      action: 'stop',
      reason: 'sampled.exact_match was not measured',
    });
  });

  it('compares with the evaluation before the stage', () => {
    const gain: Gate = { metric: 'greedy.exact_match', gainAtLeast: 0.1, onFail: 'roll_back', maxRepeats: 1 };
    expect(decideGate(gain, { 'greedy.exact_match': 0.3 }, { 'greedy.exact_match': 0.45 }, 0).passed).toBe(true);
    expect(decideGate(gain, { 'greedy.exact_match': 0.3 }, { 'greedy.exact_match': 0.35 }, 0)).toEqual({
      passed: false,
      action: 'roll_back',
      reason: 'greedy.exact_match 0.3 -> 0.35, gain at least 0.1',
    });
  });

  it('stops once the repeats are used up', () => {
    const repeat: Gate = { ...gate, onFail: 'repeat' };
    expect(decideGate(repeat, {}, { 'sampled.exact_match': 0 }, 0).action).toBe('repeat');
    expect(decideGate(repeat, {}, { 'sampled.exact_match': 0 }, 1).action).toBe('stop');
  });
});

describe('capacity', () => {
  const base = { maxConcurrent: 100, running: 0, accepted: 0, maxStaleness: 0, version: 0, batch: 32 };

  it('P5: admits one batch per version when synchronous', () => {
    expect(rolloutCapacity(base)).toBe(32);
    expect(rolloutCapacity({ ...base, running: 10, accepted: 20 })).toBe(2);
    expect(rolloutCapacity({ ...base, accepted: 32 })).toBe(0);
    expect(rolloutCapacity({ ...base, accepted: 32, version: 1 })).toBe(32);
  });

  it('P5: admits staleness + 1 batches ahead of what is trained, whatever they are made of', () => {
    const ahead = { ...base, maxConcurrent: 1000, maxStaleness: 1 };
    expect(rolloutCapacity({ ...ahead, accepted: 32, running: 20 })).toBe(12);
    expect(rolloutCapacity({ ...ahead, accepted: 40, running: 24 })).toBe(0);
    expect(rolloutCapacity({ ...ahead, version: 3, accepted: 4 * 32, running: 0 })).toBe(32);
  });

  it('is bounded by concurrency and never negative', () => {
    expect(rolloutCapacity({ ...base, maxConcurrent: 8, running: 5 })).toBe(3);
    expect(rolloutCapacity({ ...base, maxConcurrent: 8, running: 9 })).toBe(0);
    expect(rolloutCapacity({ ...base, maxStaleness: 2 })).toBe(96);
  });

  it('P5: knows which samples are too old', () => {
    expect(isFreshEnough(3, 3, 0)).toBe(true);
    expect(isFreshEnough(2, 3, 0)).toBe(false);
    expect(isFreshEnough(1, 3, 2)).toBe(true);
  });
});

it('a plateau needs two windows and too small a rise', () => {
  const plateau = { windowSteps: 2, minDelta: 0.05 };
  expect(hasPlateau([0.1, 0.1, 0.1], plateau)).toBe(false);
  expect(hasPlateau([0.1, 0.1, 0.1, 0.1], plateau)).toBe(true);
  expect(hasPlateau([0.1, 0.1, 0.2, 0.2], plateau)).toBe(false);
  expect(hasPlateau([0, 0, 0.5, 0.5, 0.5, 0.5], plateau)).toBe(true);
});
