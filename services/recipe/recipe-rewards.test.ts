import { describe, expect, it } from 'vitest';
import { presetNames } from '#rewards/presets.ts';
import { rewardList } from '#rewards/reward-list.ts';
import { rolloutStages } from '#stages/kit/rollout-stages.ts';
import { checkRecipeValue, parseRecipe } from './parse-recipe.ts';
import { minimal, problemsOf } from './recipe-under-test.ts';

describe('rewards of a recipe', () => {
  it('keeps of rewards what it names, and nothing else', () => {
    expect(rolloutStages(parseRecipe(minimal, 'r.yaml'))[0]?.rewards).toEqual({ exact_match: 1 });
  });

  it('takes a scorer with settings as a weight alone or with settings, and writes its defaults out', () => {
    const rewardsOf = (text: string) =>
      rolloutStages(parseRecipe(minimal.replace('{ exact_match: 1 }', text), 'r.yaml'))[0]?.rewards;
    expect(rewardsOf('{ numeric: 2 }')).toEqual({
      numeric: { weight: 2, absolute_tolerance: 0, relative_tolerance: 0, unit: 'optional' },
    });
    expect(rewardsOf('{ numeric: { weight: 1, relative_tolerance: 0.05 } }')).toMatchObject({
      numeric: { weight: 1, relative_tolerance: 0.05 },
    });
  });

  it.each([
    [
      '{ numeric: { weight: 1, relative_tolerence: 0.1 } }',
      'stages[0].rewards.numeric.relative_tolerence: unknown key; did you mean relative_tolerance?',
    ],
    ['{ numerc: 1 }', 'stages[0].rewards.numerc: unknown key; did you mean numeric?'],
    ['{ numeric: { relative_tolerance: 0.1 } }', 'stages[0].rewards.numeric.weight: is missing'],
    ['{ numeric: yes please }', 'stages[0].rewards.numeric: expected object (got "yes please")'],
    ['{ preset: search_r2 }', 'stages[0].rewards.preset: '],
    ['{ brevity: { weight: 1, free_words: 9, max_words: 9 } }', 'free_words must be less than max_words'],
    ['{ preset: search_r1, exact_match: 0 }', 'stages[0].rewards: needs at least one weight > 0'],
  ])('names what is wrong with rewards %s', (rewards, problem) => {
    expect(problemsOf(minimal.replace('{ exact_match: 1 }', rewards))).toContain(problem);
  });

  it('writes a preset out, keys next to it win, and the written out recipe is read the same again', () => {
    const recipe = parseRecipe(
      minimal.replace('{ exact_match: 1 }', '{ preset: rezero, format: 0.5, substring: 1 }'),
      'r.yaml',
    );
    expect(rewardList(rolloutStages(recipe)[0]?.rewards ?? {}).filter(({ weight }) => weight > 0)).toEqual([
      { name: 'exact_match', weight: 1, settingsJson: '' },
      { name: 'format', weight: 0.5, settingsJson: '' },
      { name: 'substring', weight: 1, settingsJson: '{"max_words":20,"whole_words":true}' },
      { name: 'gold_found', weight: 1, settingsJson: '{"mode":"any"}' },
      { name: 'retry', weight: 1, settingsJson: '{"base":0.2,"most":5,"step":0.15}' },
    ]);
    const again = checkRecipeValue(recipe);
    expect(again).toEqual({ kind: 'recipe', recipe });
  });

  it.each(presetNames)('knows the preset %s', (preset) => {
    const recipe = parseRecipe(minimal.replace('{ exact_match: 1 }', `{ preset: ${preset} }`), 'r.yaml');
    expect(rewardList(rolloutStages(recipe)[0]?.rewards ?? {}).some(({ weight }) => weight > 0)).toBe(true);
  });
});
