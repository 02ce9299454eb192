import { execFileSync } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { fleetServices, startGradus, startGradusBy } from './gradus-process.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const recipe = resolve(import.meta.dirname, '../../recipes/rollouts-scripted.yaml');

test('P1: a run that is detached outlives its terminal, is followed by watch, and says at once what keeps it from starting', async () => {
  const directory = await temporaryDirectory('gradus-detached-');
  const settings = [
    '--set',
    'fleet.workers=1',
    '--set',
    'stages.0.until.steps=3',
    '--set',
    'fleet.scripted.step_ms=2000',
  ];
  const refused = startGradus(directory, 'run', recipe, '--detach', '--run-id', 'wrong', '--set', 'model.path=nowhere');
  expect(await refused.exit()).toBe(2);
  expect(refused.output()).toMatch(/model\.path: .*nowhere\/config.json is missing/);

  // The corrected command may have the same id, and a mistyped one is said at once.
  expect(await readdir(join(directory, 'runs'))).not.toContain('wrong.log');

  // A session of its own, as a terminal has one, ends with SIGHUP to all that is in it.
  const start = startGradusBy(
    ['setsid', '--wait'],
    directory,
    'run',
    recipe,
    '--detach',
    '--run-id',
    'quiet',
    ...settings,
  );
  expect(await start.exit(), start.output()).toBe(0);
  expect(start.output()).toContain("run quiet goes on without this terminal; 'gradus watch quiet' follows it");
  const services = await fleetServices(join(directory, 'runs'));
  expect(services.length).toBeGreaterThan(0);
  const sessions = execFileSync('ps', ['-o', 'sid=', '-p', services.map(({ pid }) => pid).join()], {
    encoding: 'utf8',
  });
  expect(sessions).not.toContain(` ${start.process.pid} `);

  const unknown = startGradus(directory, 'watch', 'quite');
  expect(await unknown.exit(60_000)).toBe(2);
  expect(unknown.output()).toContain('quite');
  const watch = startGradus(directory, 'watch', 'quiet');
  expect(await watch.exit(), watch.output()).toBe(0);
  expect(watch.output()).toContain('run quiet finished; it lies in');
  expect(await readFile(join(directory, 'runs/quiet.log'), 'utf8')).toContain('step 3/3');
  const { rollouts } = JSON.parse(await readFile(join(directory, 'runs/quiet/summary.json'), 'utf8'));
  expect(rollouts).toMatchObject({ lost: 0 });
});
