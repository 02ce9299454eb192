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

test('a learner that exists is named by its address, and takes no setting of one that is started', () => {
  const problems = (learner: object) => {
    const said = devicesOf(learner);
    return typeof said === 'string' ? said : 'none';
  };
  expect(problems({ kind: 'external', address: '10.0.0.8:7000', start_timeout_ms: 5000 })).toBe('none');
  expect(problems({ kind: 'external' })).toMatch(
    /fleet\.learner\.address: is missing; kind: external needs the host:port/,
  );
  expect(problems({ kind: 'external', address: 'http://a/' })).toMatch(/fleet\.learner\.address: must be host:port/);
  expect(problems({ address: 'a:1' })).toMatch(/address: is of no use with kind: builtin; set kind: external/);
  const both = problems({ kind: 'external', address: 'a:1', device: 'cuda', ranks: 2 });
  expect(both).toMatch(/fleet\.learner\.device: is of a learner that the fleet starts/);
  expect(both).toMatch(/fleet\.learner\.ranks: is of a learner that the fleet starts/);
});
