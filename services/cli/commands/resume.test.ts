import { expect, test } from 'vitest';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { parseResolvedRecipe, resolvedRecipeJson } from '#recipe/resolve-recipe.ts';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { exitCodeOf, exitCodes } from '../exit-codes.ts';
import { exampleSummary } from '../run/summary-under-test.ts';
import { createTerminal } from '../terminal/terminal.ts';
import { movedRecipe, resumeCommand } from './resume.ts';

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

test.for([
  ['finished', "run 'over' is finished; there is nothing to resume"],
  ['nothing_to_learn', "run 'over' is over, with nothing to learn: no step learned anything in one"],
])('a run that ended as %s is refused before anything starts', async ([state, reason]) => {
  const home = await temporaryDirectory('gradus-resume-');
  const directory = join(home, 'over');
  await mkdir(directory);
  await writeFile(join(directory, 'recipe.json'), resolvedRecipeJson({ ...recorded, directory }));
  const summary = { ...exampleSummary(), state, message: 'no step learned anything in one' };
  await writeFile(join(directory, 'summary.json'), JSON.stringify(summary));
  const lines: unknown[] = [];
  const terminal = { ...createTerminal(), err: (given: unknown) => void lines.push(given) };
  const refusal: unknown = await resumeCommand('over', { home, json: false, samples: false }, terminal).catch(
    (thrown: unknown) => thrown,
  );
  expect(refusal).toMatchObject({ message: reason });
  expect(exitCodeOf(refusal)).toBe(exitCodes.usage);
  expect([lines, await readdir(home), await readdir(directory)]).toEqual([
    [],
    ['over'],
    ['recipe.json', 'summary.json'],
  ]);
});
