import { expect, test } from 'vitest';
import { parseRecipe } from './parse-recipe.ts';
import { locateInputs, locateStageFiles, recipeHash } from './resolve-recipe.ts';
import { storedInputs } from './stored-inputs.ts';

const at = (letter: string): string => `artefact:${letter.repeat(64)}`;
const file = '/home/a/recipes/r.yaml';
const text = `name: stored
model: { path: '${at('a')}' }
data: { rows: { train: '${at('b')}', held_out: '${at('c')}', corpus: corpus.jsonl } }
environment: { name: search }
stages:
  - { name: learn, kind: sft, rows: { path: '${at('d')}' }, until: { steps: 1 } }
  - { name: choose, kind: dpo, rows: { path: '${at('d')}' }, until: { steps: 1 } }
  - { name: mix, kind: merge, models: [{ stage: learn }, { path: '${at('e')}' }] }
`;
const recipe = parseRecipe(text, 'r.yaml');

test('what a recipe has in a store is listed with its fields and what it is taken for', () => {
  expect(storedInputs(recipe)).toEqual([
    { field: 'model.path', location: at('a'), holds: 'weights' },
    { field: 'data.rows.train', location: at('b'), holds: 'rows' },
    { field: 'data.rows.held_out', location: at('c'), holds: 'rows' },
    { field: 'stages[0].rows.path', location: at('d'), holds: 'rows' },
    { field: 'stages[1].rows.path', location: at('d'), holds: 'rows' },
    { field: 'stages[2].models[1].path', location: at('e'), holds: 'weights' },
  ]);
});

test('a location stays what it is until it is fetched, and paths begin at the folder of the recipe', () => {
  expect(locateInputs(recipe, { file })).toMatchObject({
    model: at('a'),
    data: { rows: { train: at('b'), held_out: at('c'), corpus: '/home/a/recipes/corpus.jsonl' } },
  });
  const fetched = new Map([
    [at('a'), '/h/artefacts/a'],
    [at('b'), '/h/artefacts/b/rows.csv'],
    [at('d'), '/h/artefacts/d/rows.jsonl'],
  ]);
  expect(locateInputs(recipe, { file, fetched })).toMatchObject({
    model: '/h/artefacts/a',
    data: { rows: { train: '/h/artefacts/b/rows.csv', held_out: at('c') } },
  });
  expect(locateStageFiles(recipe, { file, fetched }).stages).toEqual({
    'learn/rows': '/h/artefacts/d/rows.jsonl',
    'choose/rows': '/h/artefacts/d/rows.jsonl',
    'mix/models/1': at('e'),
  });
});

test('P8: the hash of a recipe follows from the digests of its inputs, and not from where they lie', () => {
  expect(recipeHash(recipe)).toBe(recipeHash(parseRecipe(text, 'elsewhere.yaml')));
  const other = parseRecipe(text.replace(at('b'), at('f')), 'r.yaml');
  expect(recipeHash(other)).not.toBe(recipeHash(recipe));
});

test('a digest that is none, and code in a store, are refused with field, value and what to write, all at once', () => {
  const wrong = text
    .replace(at('b'), 'artefact:rows')
    .replace('name: search', `path: '${at('9')}'`)
    .replace(at('d'), `artefact:${'D'.repeat(64)}`);
  const parse = () => parseRecipe(wrong, 'r.yaml');
  expect(parse).toThrow(
    /data\.rows\.train: must be a path, or artefact: and 64 lower-case hexadecimal digits, as gradus artefact put prints it \(got "?artefact:rows/,
  );
  expect(parse).toThrow(/environment\.path: must be a path: only data, corpora and models are taken from a store/);
  expect(parse).toThrow(/stages\[0\]\.rows\.path: must be a path, or artefact:/);
});
