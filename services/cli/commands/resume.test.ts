import { expect, test } from 'vitest';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { parseResolvedRecipe, resolvedRecipeJson } from '#recipe/resolve-recipe.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '#platform/repository.ts';
import { movedRecipe } from './resume.ts';

const recipe = parseRecipe(readFileSync(join(repositoryRoot, 'tests/e2e/tiny.yaml'), 'utf8'), 'tiny.yaml');
const paths = {
  model: '/models/tiny',
  train: '/old/run-a/world/train.jsonl',
  held_out: '/old/inputs/ab/held_out.jsonl',
  corpus: '/old-corpus/corpus.jsonl',
};
const recorded = { format: 1 as const, recipe_path: 'tiny.yaml', recipe, paths };

test('inputs that lay in a home that was moved are looked for in the new one, others where they were', () => {
  const read = parseResolvedRecipe(resolvedRecipeJson({ ...recorded, directory: '/old/run-a' }));
  expect(movedRecipe(read, '/new')).toEqual({
    ...recorded,
    paths: { ...paths, train: '/new/run-a/world/train.jsonl', held_out: '/new/inputs/ab/held_out.jsonl' },
  });
  expect(movedRecipe(read, '/old')).toEqual(recorded);
});

test('a recipe that does not say where it lay is taken as it is', () => {
  expect(movedRecipe(recorded, '/new')).toEqual(recorded);
});
