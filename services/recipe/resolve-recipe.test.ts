import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseRecipe } from './parse-recipe.ts';
import { locateInputs, parseResolvedRecipe, recipeHash, resolvedRecipeJson, resolveRecipe } from './resolve-recipe.ts';

const minimal = `
name: tiny
model: { path: ../policies/nano }
data: { world: { seed: 7 } }
environment: { name: search }
stages:
  - name: one
    limits: { context_tokens: 288, max_new_tokens: 48 }
    rewards: { exact_match: 1 }
    until: { steps: 3 }
`;

const recipeFile = (name: string) => new URL(`../../recipes/${name}`, import.meta.url);
const shipped = ['demo.yaml', 'musique-nano.yaml', 'jan-nano.yaml'].map((name) => ({
  name,
  text: readFileSync(recipeFile(name), 'utf8'),
}));

describe('a resolved recipe', () => {
  const paths = { model: '/m', train: '/t', held_out: '/h', corpus: '/c' };

  it.each(shipped)('survives the way through JSON: $name', ({ text, name }) => {
    const recipe = parseRecipe(text, name);
    expect(recipe.stages).toHaveLength(3);
    const resolved = resolveRecipe(recipe, name, paths);
    const back = parseResolvedRecipe(resolvedRecipeJson(resolved));
    expect(back).toEqual(resolved);
    expect(recipeHash(back.recipe)).toBe(recipeHash(recipe));
  });

  it('is refused with the field when it is malformed', () => {
    expect(() => parseResolvedRecipe('{')).toThrow('recipe_json: not JSON');
    expect(() => parseResolvedRecipe('{}')).toThrow('recipe_json: format');
    const broken = resolvedRecipeJson(resolveRecipe(parseRecipe(minimal, 'r.yaml'), 'r.yaml', paths)).replace(
      '"steps":3',
      '"steps":-3',
    );
    expect(() => parseResolvedRecipe(broken)).toThrow('stages[0].until.steps');
  });

  it('has inputs relative to the folder of the recipe', () => {
    const located = locateInputs(parseRecipe(minimal, 'r.yaml'), { file: '/home/a/recipes/r.yaml' });
    expect(located.model).toBe('/home/a/policies/nano');
    const musique = minimal.replace('world: { seed: 7 }', 'musique: { questions: ../q.jsonl }');
    expect(
      locateInputs(parseRecipe(musique, 'r.yaml'), { file: '/home/a/recipes/r.yaml' }).data.musique?.questions,
    ).toBe('/home/a/q.jsonl');
    const rows = minimal.replace(
      'world: { seed: 7 }',
      'rows: { train: ../q.jsonl, held_out: h.jsonl, corpus: c.jsonl }',
    );
    expect(locateInputs(parseRecipe(rows, 'r.yaml'), { file: '/home/a/recipes/r.yaml' }).data).toEqual({
      rows: {
        format: 'gradus',
        train: '/home/a/q.jsonl',
        held_out: '/home/a/recipes/h.jsonl',
        corpus: '/home/a/recipes/c.jsonl',
      },
    });
  });
});

describe('the hash of a recipe', () => {
  it('P8: depends on what decides the tasks and not on the fleet or on key order', () => {
    const recipe = parseRecipe(minimal, 'r.yaml');
    const faster = parseRecipe(`${minimal}fleet: { workers: 3, engine: { threads: 7 } }\n`, 'r.yaml');
    const reordered = parseRecipe(
      minimal.replace(
        'limits: { context_tokens: 288, max_new_tokens: 48 }',
        'limits: { max_new_tokens: 48, context_tokens: 288 }',
      ),
      'r.yaml',
    );
    expect(recipeHash(faster)).toBe(recipeHash(recipe));
    expect(recipeHash(reordered)).toBe(recipeHash(recipe));
    expect(recipeHash({ ...recipe, seed: 2 })).not.toBe(recipeHash(recipe));
    expect(recipeHash(recipe)).toMatch(/^[0-9a-f]{64}$/);
  });
});
