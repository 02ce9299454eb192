import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const gradus = join(root, 'services/cli/bin/gradus');
const python = join(root, '.build/trackers/bin/python');
const reader = join(root, 'tests/fixtures/trackers/read_metrics.py');
const skipped = existsSync(python) ? '' : " (skipped: no .build/trackers here; 'make trackers' makes it)";

const lines = [
  {
    kind: 'eval',
    at: '2026-01-01T00:00:00.000Z',
    run: 'shown',
    stage: 'one',
    name: 'before',
    step: 0,
    version: 0,
    'greedy.exact_match': 0.25,
  },
  {
    kind: 'step',
    at: '2026-01-01T00:00:10.000Z',
    run: 'shown',
    stage: 'one',
    stage_index: 0,
    round: 0,
    stage_step: 1,
    step: 1,
    version: 1,
    'reward/mean': 0.5,
    loss: -0.125,
  },
  {
    kind: 'step',
    at: '2026-01-01T00:00:20.000Z',
    run: 'shown',
    stage: 'one',
    stage_index: 0,
    round: 0,
    stage_step: 2,
    step: 2,
    version: 2,
    'reward/mean': 0.75,
  },
];
const expected = [
  ['eval/greedy.exact_match', 0, 0.25],
  ['reward/mean', 1, 0.5],
  ['loss', 1, -0.125],
  ['reward/mean', 2, 0.75],
];

async function homeWithRun(): Promise<string> {
  const home = await temporaryDirectory('gradus-export-');
  await mkdir(join(home, 'shown'));
  await writeFile(join(home, 'shown/metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await writeFile(join(home, 'shown/recipe.json'), '{"recipe":{"name":"demo","seed":3}}\n');
  return home;
}

const points = z.array(z.tuple([z.string(), z.number(), z.number()]));

async function readBack(tracker: string, where: string, environment: Record<string, string> = {}) {
  const { stdout } = await run(python, [reader, tracker, where], { env: { ...process.env, ...environment } });
  return points.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toSorted(bySteps);
}

type Points = z.infer<typeof points>;
const bySteps = ([one, first]: Points[number], [other, second]: Points[number]): number =>
  first - second || one.localeCompare(other);

const exported = (home: string, tracker: string, environment: Record<string, string> = {}) =>
  run(gradus, ['export', 'metrics', 'shown', '--to', tracker, '--home', home, '--python', python], {
    env: { ...process.env, ...environment },
  });

describe.skipIf(skipped !== '')(`metrics that a tracker's own package reads${skipped}`, () => {
  test('TensorBoard has every metric at its step, once, also after a second export', async () => {
    const home = await homeWithRun();
    for (let time = 0; time < 2; time++) await exported(home, 'tensorboard');
    expect(await readBack('tensorboard', join(home, 'tensorboard/shown'))).toEqual(
      (expected as Points).toSorted(bySteps),
    );
  });

  test('trackio has every metric at its step', async () => {
    const home = await homeWithRun();
    const environment = { TRACKIO_DIR: join(home, 'trackio'), HF_HUB_OFFLINE: '1' };
    await exported(home, 'trackio', environment);
    expect(await readBack('trackio', 'shown', environment)).toEqual((expected as Points).toSorted(bySteps));
  });

  test('W&B has every metric at its step', async () => {
    const home = await homeWithRun();
    await exported(home, 'wandb', { WANDB_MODE: 'offline', WANDB_DIR: home });
    expect(await readBack('wandb', home)).toEqual((expected as Points).toSorted(bySteps));
  });
});

test.each([
  ['trackio', 'python3', /--to trackio: \S*python3 does not have the package trackio; install it/],
  ['wandb', '/nowhere/python', /--python: \/nowhere\/python cannot be started/],
])('a tracker that is not there is named with what to do: %s', async (tracker, named, message) => {
  const home = await homeWithRun();
  const bare = named === 'python3' ? join(root, '.venv/bin/python3') : named;
  const args = ['export', 'metrics', 'shown', '--to', tracker, '--home', home, '--python', bare];
  await expect(run(gradus, args)).rejects.toMatchObject({ code: 2, stderr: expect.stringMatching(message) as string });
});

test('a run that is not there is an error of usage', async () => {
  const home = await homeWithRun();
  await expect(
    run(gradus, ['export', 'metrics', 'other', '--to', 'tensorboard', '--home', home]),
  ).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining("run 'other' has no ") as string,
  });
});
