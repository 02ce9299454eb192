import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { errorFrom } from '#platform/errors.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { rankDevices } from './learner-part.ts';
import { parseRecipe } from './parse-recipe.ts';
import { parseSetting } from './recipe-settings.ts';

const demo = readFileSync(join(repositoryRoot, 'recipes/demo.yaml'), 'utf8');

function devicesOf(learner: object): readonly string[] | string {
  const set = Object.entries(learner).map(([key, value]) =>
    parseSetting(`fleet.learner.${key}=${JSON.stringify(value)}`),
  );
  try {
    return rankDevices(parseRecipe(demo, 'demo.yaml', set));
  } catch (thrown) {
    return errorFrom(thrown).message;
  }
}

test('each rank of a learner has a device: the CPU, the GPU of its place, or the one that is listed', () => {
  expect(devicesOf({})).toEqual(['cpu']);
  expect(devicesOf({ device: 'cuda' })).toEqual(['cuda']);
  expect(devicesOf({ ranks: 2 })).toEqual(['cpu', 'cpu']);
  expect(devicesOf({ ranks: 2, device: 'cuda' })).toEqual(['cuda:0', 'cuda:1']);
  expect(devicesOf({ ranks: 2, device: ['cuda:3', 'cuda:5'] })).toEqual(['cuda:3', 'cuda:5']);
});

test('ranks that cannot be placed are refused with what to write instead', () => {
  expect(devicesOf({ ranks: 2, device: 'cuda:1' })).toMatch(
    /device: puts several ranks on cuda:1; write cuda for the first 2/,
  );
  expect(devicesOf({ ranks: 2, device: ['cuda:0'] })).toMatch(/device: lists 1 for 2 ranks; list one for each/);
  expect(devicesOf({ ranks: 2, device: ['cuda:0', 'cpu'] })).toMatch(/device: puts ranks on GPUs and on the CPU/);
  expect(devicesOf({ ranks: 2, device: ['cuda', 'cuda:0'] })).toMatch(/several ranks on cuda:0/);
  expect(devicesOf({ ranks: 65 })).toMatch(/ranks: .*<=64/);
});
