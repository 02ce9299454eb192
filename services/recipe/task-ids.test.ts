import { describe, expect, it } from 'vitest';
import { groupIdOf, samplingSeedOf, taskIdOf } from './task-ids.ts';

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
