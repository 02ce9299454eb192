import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readJson, readJsonLines, startGradus, tinyWorkplace } from './gradus-process.ts';

it('a run with advantage: gae trains its critic in each step', async () => {
  const directory = await tinyWorkplace();
  const critic = [0, 1].flatMap((stage) => [
    '--set',
    `stages.${stage}.algorithm.advantage=gae`,
    '--set',
    `stages.${stage}.algorithm.dynamic_sampling=false`,
  ]);
  const run = startGradus(directory, 'run', 'tiny.yaml', '--run-id', 'ppo', ...critic);
  expect(await run.exit(), run.output()).toBe(0);
  const home = join(directory, 'runs', 'ppo');
  expect(await readJson(join(home, 'summary.json'))).toMatchObject({
    state: 'finished',
    stages: [{ steps: 3 }, { steps: 2 }],
    rollouts: { lost: 0, duplicated: 0 },
  });
  const steps = (await readJsonLines(join(home, 'metrics.jsonl'))).filter(({ kind }) => kind === 'step');
  expect(steps).toHaveLength(5);
  for (const step of steps) expect(step).toMatchObject({ 'train/value_loss': expect.any(Number) });
});
