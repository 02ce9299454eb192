import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { prepareInputs } from '../run/prepare-inputs.ts';
import { evalOfModel, evalOfRecipe } from './eval-recipe.ts';

test.each([
  ['plain rows', 'gradus'],
  ['a published format', 'musique'],
  ['a table', 'simpleqa'],
] as const)('a file of %s that is missing is named by the option that gave it', async (_, format) => {
  const out = await mkdtemp(join(tmpdir(), 'gradus-eval-recipe-'));
  const data = join(out, 'absent');
  await expect(prepare({ out, data, format, model: 'policies/nano', corpus: import.meta.filename })).rejects.toThrow(
    `--data: ${data}: there is no such file; check the path`,
  );
});

test('a corpus that the format needs is asked for by its option', async () => {
  const out = await mkdtemp(join(tmpdir(), 'gradus-eval-recipe-'));
  await expect(prepare({ out, data: join(out, 'rows'), format: 'gradus', model: 'policies/nano' })).rejects.toThrow(
    /^--corpus: is missing; rows of format gradus/,
  );
});

test('a model that is missing is named by its option', async () => {
  const out = await mkdtemp(join(tmpdir(), 'gradus-eval-recipe-'));
  const data = join(out, 'rows.jsonl');
  await writeFile(data, '{"id":"1","question":"Who?","answer":"x"}\n');
  const model = join(out, 'absent');
  await expect(prepare({ out, data, format: 'gradus', model, corpus: data })).rejects.toThrow(
    `--model: ${model} is not a model directory`,
  );
});

const recipe = (stages: string) => `
name: own
model: { path: policies/nano }
data: { world: {} }
environment: { name: search }
stages:
  - { name: one, limits: { context_tokens: 100, max_new_tokens: 10 }, rewards: { exact_match: 1 }${stages} }
`;
const ofRecipe = async (stages: string, options: Partial<Parameters<typeof evalOfRecipe>[1]>) => {
  const out = await temporaryDirectory('gradus-eval-recipe-');
  const path = join(out, 'recipe.yaml');
  await writeFile(path, recipe(stages));
  return (await evalOfRecipe(path, { format: 'gradus', set: [], json: false, out, ...options })).recipe;
};

test('the last stage of a recipe is evaluated at the temperature, the limits and the seed that are asked for', async () => {
  const asked = await ofRecipe(', kind: rl, until: { steps: 1 }', { temperature: 0.2, contextTokens: 80, seed: 9 });
  expect(asked.seed).toBe(9);
  expect(asked.stages).toMatchObject([
    { kind: 'eval', sampling: { temperature: 0.2 }, limits: { context_tokens: 80, max_new_tokens: 10 } },
  ]);
});

test('P9: options for which eval stages of a recipe have a word of their own are refused', async () => {
  await expect(ofRecipe(', kind: eval', { temperature: 0.2, samples: 4 })).rejects.toThrow(
    /^--samples, --temperature: recipe .* has eval stages of its own; change them there, or with --set/,
  );
});

test('a temperature that cannot be is named by its option', async () => {
  await expect(ofRecipe(', kind: rl, until: { steps: 1 }', { temperature: 0 })).rejects.toThrow(/^--temperature: /);
});

async function prepare(
  given: Pick<Parameters<typeof evalOfModel>[0], 'out' | 'data' | 'format' | 'model' | 'corpus'>,
): Promise<unknown> {
  const loaded = await evalOfModel({
    set: [],
    json: false,
    ...given,
  });
  return await prepareInputs(loaded, join(given.out, 'run'));
}
