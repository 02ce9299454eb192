import { appendFile, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { readJson, startGradus } from './gradus-process.ts';

const recipe = join(resolve(import.meta.dirname, '../..'), 'recipes/rollouts-scripted.yaml');

test('a run is backed up, restored into another home and goes on there with nothing lost and nothing twice', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-backup-'));
  const gradus = async (...args: readonly string[]) => {
    const started = startGradus(directory, ...args);
    return { code: await started.exit(), output: started.output() };
  };
  const run = startGradus(directory, 'run', recipe, '--run-id', 'kept');
  await run.says(/play: step 2\/10/);
  const live = await gradus('backup', '--out', 'early');
  expect(live.code, live.output).toBe(2);
  run.process.kill('SIGTERM');
  expect(await run.exit(), run.output()).toBe(130);

  const inside = await gradus('backup', '--out', 'runs/backup');
  expect(inside.code).toBe(2);
  expect(inside.output).toContain('lies in the home');
  const backup = await gradus('backup', '--out', 'saved');
  expect(backup.code, backup.output).toBe(0);

  const occupied = await gradus('restore', '--from', 'saved', '--home', 'runs');
  expect(occupied.code).toBe(2);
  expect(occupied.output).toContain('is not empty');
  const recipeCopy = join(directory, 'saved/home/kept/recipe.json');
  const whole = await readFile(recipeCopy);
  await appendFile(recipeCopy, ' ');
  const damaged = await gradus('restore', '--from', 'saved', '--home', 'other');
  expect(damaged.code).toBe(2);
  expect(damaged.output).toMatch(/kept\/recipe\.json: has \d+ bytes, the manifest says \d+/);
  await writeFile(recipeCopy, whole);

  const before = await readFile(join(directory, 'runs/kept/metrics.jsonl'), 'utf8');
  const restored = await gradus('restore', '--from', 'saved', '--home', 'other');
  expect(restored.code, restored.output).toBe(0);
  const resumed = await gradus('resume', 'kept', '--home', 'other');
  expect(resumed.code, resumed.output).toBe(0);
  expect(await readJson(join(directory, 'other/kept/summary.json'))).toMatchObject({
    state: 'finished',
    stages: [{ name: 'play', steps: 10 }],
    rollouts: { lost: 0, duplicated: 0 },
  });
  // It went on from what was trained before, and the first home was left alone.
  expect((await readFile(join(directory, 'other/kept/metrics.jsonl'), 'utf8')).startsWith(before)).toBe(true);
  expect(await readFile(join(directory, 'runs/kept/metrics.jsonl'), 'utf8')).toBe(before);
});
