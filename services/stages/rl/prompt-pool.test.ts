import { describe, expect, test } from 'vitest';
import { poolProblems, promptPool } from './prompt-pool.ts';
import { rlSchema } from './schema.ts';

const rows = ['2', '2', '3'].map((hops, index) => ({ id: `r${index}`, tags: { hops } }));
const stageWith = (prompts: object) =>
  rlSchema.parse({
    name: 'one',
    limits: { context_tokens: 100 },
    rewards: { exact_match: 1 },
    until: { steps: 1 },
    prompts,
  });

describe('the rows of a stage', () => {
  test('are those whose tags have one of the values', () => {
    expect(promptPool(stageWith({ where: { hops: [2] } }), rows).map(({ id }) => id)).toEqual(['r0', 'r1']);
    expect(promptPool(stageWith({}), rows)).toHaveLength(3);
  });

  test('or a number within bounds; what is no number is not within them', () => {
    const rated = ['0', '0.25', '0.9', 'high', ''].map((rate, index) => ({ id: `r${index}`, tags: { rate } }));
    const asked = (where: object) => promptPool(stageWith({ where: { rate: where } }), rated).map(({ id }) => id);
    expect(asked({ at_least: 0.1, at_most: 0.9 })).toEqual(['r1', 'r2']);
    expect(asked({ at_most: 0.5 })).toEqual(['r0', 'r1']);
  });

  test('that leave none are refused with what the tag has', () => {
    expect(poolProblems(stageWith({ where: { hops: [7] } }), rows)).toEqual([
      'stage one: prompts.where {"hops":[7]} leaves none of the 3 rows; hops is 2, 3',
    ]);
    expect(() => promptPool(stageWith({ where: { level: ['a'] } }), rows)).toThrow(/no row has a tag level/);
  });

  test('are looked at by the sampling after `where`', () => {
    const stage = stageWith({ where: { hops: [2] }, sampling: { kind: 'curriculum', tag: 'hops', order: [2, 3] } });
    expect(poolProblems(stage, rows)).toEqual([
      'stage one: prompts.sampling.order: no row has hops 3; they have 2: leave out what is not there',
    ]);
  });
});
