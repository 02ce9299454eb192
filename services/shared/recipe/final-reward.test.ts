import { describe, expect, it } from 'vitest';
import { parseRecipe } from './parse-recipe.ts';
import { finalReward } from './final-reward.ts';

function stageOf(rewards: string, composition = '') {
  const text = `
name: test
model: { path: m }
data: { world: {} }
scorers: { preferred: { kind: pairwise, judge: main }, house: { kind: http, url: 'http://127.0.0.1:1' } }
stages:
  - name: one
    limits: { context_tokens: 100, max_new_tokens: 10 }
    rewards: ${rewards}
    batch: { groups: 2, group_size: 3 }
    until: { steps: 1 }
    ${composition}`;
  const [stage] = parseRecipe(text, 'test.yaml').stages;
  if (stage === undefined) throw new Error('no stage');
  return stage;
}
const result = (rewards: Record<string, number>, detectors: Record<string, number> = {}) => ({ rewards, detectors });

describe('the reward of a compared sample', () => {
  it('is the weighted sum over its own components and those of its group', () => {
    const stage = stageOf('{ exact_match: 1, preferred: 2 }');
    expect(finalReward(stage, result({ exact_match: 1, f1: 0.5 }), { preferred: 0.25 })).toBe(1.5);
  });

  it('P2: is absent without its groupwise component, and without one that a custom scorer owes', () => {
    expect(finalReward(stageOf('{ exact_match: 1, preferred: 1 }'), result({ exact_match: 1 }), {})).toBeUndefined();
    const stage = stageOf('{ house: 1, preferred: 1 }');
    expect(finalReward(stage, result({ exact_match: 1 }), { preferred: 1 })).toBeUndefined();
  });

  it('does without a component that is only recorded', () => {
    expect(finalReward(stageOf('{ exact_match: 1, preferred: 0 }'), result({ exact_match: 1 }), {})).toBe(1);
  });

  it("goes through the stage's composition: normalised, less penalties of detectors, gated, clipped", () => {
    const stage = stageOf(
      '{ exact_match: 1, preferred: 3 }',
      'composition: { normalize: true, penalties: { candidate_list: 0.5 }, gates: [{ name: format, at_least: 1 }], clip: { low: 0.1 } }',
    );
    const own = { exact_match: 1, format: 1 };
    expect(finalReward(stage, result(own), { preferred: 1 })).toBe(1);
    expect(finalReward(stage, result(own, { candidate_list: 1 }), { preferred: 0.6 })).toBeCloseTo(0.2);
    expect(finalReward(stage, result(own, { candidate_list: 1 }), { preferred: 0 })).toBe(0.1);
    // A gate that does not hold decides without the judge.
    expect(finalReward(stage, result({ exact_match: 1, format: 0 }), {})).toBe(0.1);
  });

  it('can be gated by the comparison itself', () => {
    const stage = stageOf(
      '{ exact_match: 1, preferred: 0 }',
      'composition: { gates: [{ name: preferred, at_least: 0.5, otherwise: -1 }] }',
    );
    expect(finalReward(stage, result({ exact_match: 1 }), { preferred: 0.4 })).toBe(-1);
    expect(finalReward(stage, result({ exact_match: 1 }), { preferred: 0.6 })).toBe(1);
    expect(finalReward(stage, result({ exact_match: 1 }), {})).toBeUndefined();
  });
});
