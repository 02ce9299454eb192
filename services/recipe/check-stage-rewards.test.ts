import { describe, expect, it } from 'vitest';
import { declared, problemsAfter, type ScorersRecipe } from '../../tests/fixtures/scorers-recipe.ts';

const rewards = (fields: object) => (recipe: ScorersRecipe) =>
  void Object.assign(recipe.stages[0]?.rewards ?? {}, fields);
const composition = (fields: object) => (recipe: ScorersRecipe) =>
  void Object.assign(recipe.stages[0]?.composition ?? {}, fields);

describe('the rewards of a stage', () => {
  it.each<[string, object, string]>([
    ['a typo', { corect: 1 }, 'stages[0].rewards.corect: unknown key; did you mean correct?'],
    [
      'settings of a judged scorer',
      { correct: { weight: 1, not_attempted: 1 } },
      'stages[0].rewards.correct: takes a weight alone; its other settings are in scorers.correct',
    ],
    [
      'a weight that is none',
      { house: 'much' },
      'stages[0].rewards.house: must be a weight of 0..100, or { weight, … } (got "much")',
    ],
    [
      'settings without a weight',
      { house: { any_setting: 1 } },
      'stages[0].rewards.house: must be a weight of 0..100, or { weight, … }',
    ],
    [
      'settings beyond bounds',
      { house: { weight: 1, text: 'x'.repeat(5000) } },
      'stages[0].rewards.house: its settings are 5011 characters of JSON; at most 4096',
    ],
    [
      'weights of 0',
      { exact_match: 0, correct: 0, preferred: 0, house: 0 },
      'stages[0].rewards: needs at least one weight > 0',
    ],
  ])('refuse %s', (_name, fields, message) => {
    expect(problemsAfter(rewards(fields))).toContain(message);
  });

  it('take at most eight judged components', () => {
    const names = Array.from({ length: 9 }, (_, index) => `grade_${index}`);
    const problems = problemsAfter((recipe) => {
      declared(Object.fromEntries(names.map((name) => [name, { kind: 'grade', judge: 'main' }])))(recipe);
      rewards(Object.fromEntries(names.map((name) => [name, 1])))(recipe);
    });
    expect(problems).toContain('stages[0].rewards: names 10 scorers that a judge gives; a rollout takes at most 8');
  });
});

describe('a composition', () => {
  it.each<[string, object, string]>([
    [
      'a penalty for what nobody records',
      { penalties: { iou: 1 } },
      'stages[0].composition.penalties.iou: is nothing that this stage records; name it in rewards, weight 0 records it; recorded: exact_match',
    ],
    [
      'a typo in a penalty',
      { penalties: { candidat_list: 1 } },
      'stages[0].composition.penalties.candidat_list: is nothing that this stage records; did you mean candidate_list?',
    ],
    [
      'a scorer that is declared and not named',
      { gates: [{ name: 'prose', at_least: 1 }] },
      'stages[0].composition.gates[0].name: is nothing that this stage records',
    ],
    [
      'a gate without bounds',
      { gates: [{ name: 'format' }] },
      'stages[0].composition.gates[0]: needs at_least, at_most or both',
    ],
    [
      'a gate that never holds',
      { gates: [{ name: 'format', at_least: 0.6, at_most: 0.5 }] },
      'stages[0].composition.gates[0].at_least: must be at most at_most (0.5) (got 0.6)',
    ],
    [
      'a clip upside down',
      { clip: { low: 1, high: 0 } },
      'stages[0].composition.clip.low: must be at most high (0) (got 1)',
    ],
  ])('refuses %s', (_name, fields, message) => {
    expect(problemsAfter(composition(fields))).toContain(message);
  });

  it('reads groupwise components and detectors too', () => {
    expect(
      problemsAfter(
        composition({ gates: [{ name: 'preferred', at_least: 0.1 }], penalties: { giant_answer: 1, correct: 1 } }),
      ),
    ).toBe('no problem');
  });
});
