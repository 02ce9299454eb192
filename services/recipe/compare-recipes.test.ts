import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseRecipe } from './parse-recipe.ts';
import { describeDifference } from './compare-recipes.ts';

const text = readFileSync(join(import.meta.dirname, '../../tests/e2e/tiny.yaml'), 'utf8');
const recipe = parseRecipe(text, 'tiny.yaml');

test('recipes that are the same differ nowhere', () => {
  expect(describeDifference(recipe, parseRecipe(text, 'other.yaml'))).toBe('');
});

test('each leaf that differs is named with both values', () => {
  const [first, ...others] = recipe.stages;
  if (first?.kind !== 'rl') throw new Error('no stage');
  const edited = {
    ...recipe,
    seed: 99,
    fleet: { ...recipe.fleet, workers: 7 },
    stages: [{ ...first, max_staleness: 3 }, ...others],
  };
  expect(describeDifference(recipe, edited)).toBe(
    `seed: ${recipe.seed} -> 99; fleet.workers: ${recipe.fleet.workers} -> 7; stages[0].max_staleness: ${first.max_staleness} -> 3`,
  );
  expect(describeDifference(recipe, { ...recipe, stages: [] })).toMatch(/^stages\[0\]: \{.*\.\.\. -> \(nothing\)/);
});
