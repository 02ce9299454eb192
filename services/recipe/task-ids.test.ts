import { describe, expect, it } from 'vitest';
import { groupIdOf, groupSeedOf, samplingSeedOf, taskIdOf } from './task-ids.ts';
import type { GroupKey } from './task-ids.ts';

describe('ids of tasks', () => {
  const key = { recipeHash: 'abc', seed: 1, stage: 'one', step: 0, draw: 'prompt:0', questionId: '2hop__1_2' };

  const variants = [
    key,
    { ...key, recipeHash: 'abd' },
    { ...key, seed: 2 },
    { ...key, stage: 'two' },
    { ...key, step: 1 },
    { ...key, draw: 'prompt:1' },
    { ...key, questionId: 'x' },
  ];

  it('P8: are a golden hash of recipe, seed, stage, step, draw, question and sample', () => {
    // printf '["task","abc",1,"one",0,"prompt:0","2hop__1_2",0]' | sha256sum
    expect(taskIdOf(key, 0)).toBe('c1e1b3c7c03b8987162806f615b72fbc663889a9ce2e4bb1d322c88adcdb206c');
    expect(taskIdOf({ ...key }, 0)).toBe(taskIdOf(key, 0));
  });

  it('differ when any part differs', () => {
    const ids = variants.flatMap((variant) => [groupIdOf(variant), taskIdOf(variant, 0), taskIdOf(variant, 1)]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('P8: seeds are golden, of 63 bits, the same for every hash of a recipe, and differ when any other part differs', () => {
    // printf '["group seed",1,"one",0,"prompt:0","2hop__1_2"]' | sha256sum, the first 16 digits without the highest bit
    expect(groupSeedOf(key)).toBe(1429306674591181222n);
    // printf '["sample seed","1429306674591181222",0]' | sha256sum
    expect(samplingSeedOf(groupSeedOf(key), 0)).toBe(7644459632044562798n);
    const renamed: GroupKey = { ...key, recipeHash: 'abd' };
    expect(groupSeedOf(renamed)).toBe(groupSeedOf(key));
    const groups = variants.filter(({ recipeHash }) => recipeHash === key.recipeHash).map(groupSeedOf);
    const seeds = groups.flatMap((group) => [group, samplingSeedOf(group, 0), samplingSeedOf(group, 1)]);
    expect(new Set(seeds).size).toBe(seeds.length);
    expect(seeds.every((seed) => seed >= 0n && seed < 2n ** 63n)).toBe(true);
  });
});
