import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { readJson, readJsonLines, startGradus } from './gradus-process.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const recipe = resolve(import.meta.dirname, '../../recipes/python-demo.yaml');

test('P1: recipes/python-demo.yaml trains a step in an environment of a Python file, and every rollout is accounted for', async () => {
  const directory = await temporaryDirectory('gradus-python-e2e-');
  // The untrained policy is right once in five or six times: with few rollouts none may be, and the run ends with nothing to learn.
  const groups = 12;
  const sizes = ['eval.questions=4', `stages.library.batch.groups=${groups}`, 'stages.library.until.steps=1'];
  const sets = sizes.flatMap((size) => ['--set', size]);
  const run = startGradus(directory, 'run', recipe, '--run-id', 'library', ...sets);
  expect(await run.exit(600_000), run.output()).toBe(0);
  const home = join(directory, 'runs/library');
  expect(await readJson(join(home, 'summary.json'))).toMatchObject({
    state: 'finished',
    rollouts: { lost: 0, duplicated: 0, failedInfra: 0, completed: 2 * 4 + groups * 4 },
  });
  const lines = await readJsonLines(join(home, 'metrics.jsonl'));
  const steps = lines.filter(({ kind }) => kind === 'step');
  expect(steps).toHaveLength(1);
  // What the file counts is measured: the policy of the demo speaks the format that it reads.
  expect(steps[0]?.['environment/mistakes']).toBeGreaterThanOrEqual(0);
  expect(steps[0]?.['environment/mistakes']).toBeLessThan(2);
}, 700_000);
