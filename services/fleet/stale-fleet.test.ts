import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { loadedInputs, refuseStaleFleet } from './stale-fleet.ts';

const recipe = parseRecipe(readFileSync(join(repositoryRoot, 'tests/e2e/tiny.yaml'), 'utf8'), 'tiny.yaml');
const scripted = {
  ...recipe,
  fleet: { ...recipe.fleet, engine: { ...recipe.fleet.engine, kind: 'scripted' as const } },
};
const input = (name: string, letter: string) => ({
  name,
  path: `/data/${name}`,
  digest: letter.repeat(64),
  bytes: 10,
  modifiedAtMs: 0,
});
const inputs = [input('train', 'a'), input('corpus', 'b'), input('scorers/house/reward.py', 'c')];
const fleet = {
  format: 2 as const,
  supervisor: { pid: 7, startTime: '1', bootId: 'b', namespace: 'n' },
  startedAt: '2026-01-01T00:00:00.000Z',
  owner: 'up' as const,
  recipePath: '/r/tiny.yaml',
  key: 'k',
  paths: { model: '/m', train: '/t', held_out: '/h', corpus: '/c' },
  inputs: loadedInputs(inputs, recipe),
  logs: '/home/logs',
  natsUrl: '',
  services: [],
  processes: [],
};

test('a fleet whose files are what they were is lent; questions may be others, since each run reads them anew', () => {
  expect(() => refuseStaleFleet(fleet, inputs, recipe, '/home')).not.toThrow();
  expect(() => refuseStaleFleet(fleet, [input('train', 'x'), ...inputs.slice(1)], recipe, '/home')).not.toThrow();
});

test('a fleet whose corpus or scorers have changed since it started is refused with each file and what to do', () => {
  const now = [inputs[0] ?? input('train', 'a'), input('corpus', 'x'), input('scorers/house/reward.py', 'y')];
  expect(() => refuseStaleFleet(fleet, now, recipe, '/home')).toThrow(
    /\(process 7\) was started before these files changed.*\n {2}corpus: .*\n {2}scorers\/house\/reward\.py: .*\nstop it with 'gradus stop --home \/home' and start it again with 'gradus up \/r\/tiny.yaml'/,
  );
});

test('a scripted engine has read the questions at its start', () => {
  const read = { ...fleet, inputs: loadedInputs(inputs, scripted) };
  expect(() => refuseStaleFleet(read, [input('train', 'x'), ...inputs.slice(1)], scripted, '/home')).toThrow('train: ');
});

test('a fleet of an earlier version, which says nothing of its inputs, is lent', () => {
  expect(() => refuseStaleFleet({ ...fleet, inputs: [] }, inputs, recipe, '/home')).not.toThrow();
});
