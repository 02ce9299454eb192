import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { rolloutStages } from '#stages/kit/rollout-stages.ts';
import { parseRecipe } from './parse-recipe.ts';
import { parseSetting } from './recipe-settings.ts';

const demo = readFileSync(new URL('../../recipes/demo.yaml', import.meta.url), 'utf8');
const withSettings = (...set: readonly string[]) => parseRecipe(demo, 'demo.yaml', set.map(parseSetting));

test('values of a recipe are replaced by path, by index or name of an entry, the later one where two say the same', () => {
  const recipe = withSettings(
    'stages.0.until.steps=3',
    'stages[1].until.steps=4',
    'stages.context-extension.until={ steps: 5 }',
    'seed=9',
    'seed=10',
    'checkpoints.keep=7',
    'model.source=https://host/a=b',
  );
  expect(recipe.stages).toMatchObject([3, 4, 5].map((steps) => ({ until: { steps } })));
  expect(recipe).toMatchObject({ seed: 10, checkpoints: { keep: 7 }, model: { source: 'https://host/a=b' } });
});

test('what two stages share by an alias changes in the one that is named only', () => {
  const plain = rolloutStages(parseRecipe(demo, 'demo.yaml'));
  expect(plain[0]?.limits).toEqual(plain[1]?.limits);
  const recipe = withSettings('stages.0.limits.max_turns=2');
  expect(rolloutStages(recipe).map(({ limits }) => limits.max_turns)).toEqual([
    2,
    plain[1]?.limits.max_turns,
    plain[2]?.limits.max_turns,
  ]);
});

test.each([
  ['stages.0.until.step=2', '--set stages.0.until.step=2: stages[0].until.step: unknown key; did you mean steps?'],
  ['stgaes.0.until.steps=2', '--set stgaes.0.until.steps=2: stgaes: unknown key; did you mean stages?'],
  ['stages.0.until.steps=two', '--set stages.0.until.steps=two: stages[0].until.steps: expected number (got "two")'],
  ['stages.0.until.steps=', 'stages[0].until.steps: expected number (got null)'],
  ['stages.3.until.steps=2', '--set stages.3.until.steps=2: stages has no 3; it has 0 to 2, or a name: tool-use'],
  ['stages.tool-usee.until.steps=2', 'stages has no tool-usee; it has 0 to 2; did you mean tool-use?'],
  ['name.first=x', '--set name.first=x: name is "demo", which holds no first'],
  ['stages.0.limits.max_new_tokens=100000', 'must be less than limits.context_tokens'],
  ['__proto__.x=1', 'cannot be a name; choose another'],
  ['constructor.x=1', 'cannot be a name; choose another'],
])('%s is refused with what is wrong and what was meant', (text, message) => {
  expect(() => withSettings(text)).toThrow(message);
});

test('all settings without a place are reported at once', () => {
  expect(() => withSettings('stages.9.kind=rl', 'name.x=1')).toThrow(/stages has no 9.*\n.*name is "demo"/);
});

test.each(['seed', '=1', 'a..b=1', '.a=1', 'a.=1', ''])('%j is not a setting', (text) => {
  expect(() => parseSetting(text)).toThrow('must be PATH=VALUE, for example --set stages.0.until.steps=2');
});

test('a value that is not YAML is refused with the path that it was for', () => {
  expect(() => parseSetting('a.b={ c')).toThrow(/--set a\.b:1: not YAML/);
});
