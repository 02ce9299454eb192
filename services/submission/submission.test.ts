import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repositoryRoot } from '#platform/repository.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { parseSetting } from '#recipe/recipe-settings.ts';
import { resolveRecipe } from '#recipe/resolve-recipe.ts';
import { missingInputs } from './match-inputs.ts';
import { matchRecipe } from './match-recipe.ts';

const text = readFileSync(join(repositoryRoot, 'recipes/demo.yaml'), 'utf8');
const demo = (...set: string[]) => parseRecipe(text, 'demo.yaml', set.map(parseSetting));
const paths = { model: '/m', train: '/t', held_out: '/h', corpus: '/c' };
const offered = resolveRecipe(demo(), '/fleet/demo.yaml', paths);
const submitted = (...set: string[]) => matchRecipe({ recipe: demo(...set), recipePath: 'mine.yaml', set }, offered);

test('a recipe of the same model and data runs with the paths of the server, whatever else it says', () => {
  const set = ['stages.0.until.steps=3', 'seed=9'];
  expect(submitted(...set)).toMatchObject({ notes: [], resolved: { recipe_path: 'mine.yaml', paths, set } });
});

test("P9: the server's fleet holds, and a recipe that says another is told so", () => {
  const matched = submitted('fleet.workers=7');
  expect(matched).toMatchObject({
    notes: ["fleet: the server's holds, as /fleet/demo.yaml has it, in place of the recipe's"],
    resolved: { recipe: { fleet: { workers: offered.recipe.fleet.workers } } },
  });
});

test('what the services of the fleet have loaded has to be what the recipe names, all differences at once', () => {
  expect(submitted('data.world.seed=8', 'retrieval.b=0.5')).toEqual({
    problems: [
      expect.stringMatching(/^data: is \{"world":.*"seed":8.*, and the server's fleet was started with .*"seed":7/),
      expect.stringMatching(/^retrieval: is .*"b":0.5/),
    ],
  });
});

test('an input that the server has not, or has otherwise, is named with what is known of it', () => {
  const mine = [
    { name: 'train', digest: 'a'.repeat(64) },
    { name: 'corpus', digest: 'b'.repeat(64) },
    { name: 'scorers/house.py', digest: 'c'.repeat(64) },
  ];
  const theirs = [mine[0] ?? { name: '', digest: '' }, { name: 'corpus', digest: 'd'.repeat(64) }];
  expect(missingInputs(mine, theirs)).toEqual([
    'corpus: the server has another file (sha256 dddddddddddd, yours is bbbbbbbbbbbb)',
    'scorers/house.py: the server has no such file (yours is sha256 cccccccccccc)',
  ]);
  expect(missingInputs(mine, mine)).toEqual([]);
});
