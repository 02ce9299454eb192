import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exampleSummary } from './summary-under-test.ts';
import { heldOutPoints, stagePoints, writeCurves } from './reward-curves.ts';
import { parseRunSummary } from '#run/directory/run-summary.ts';

const summary = () => parseRunSummary(JSON.stringify(exampleSummary()), 'summary.json');

test('a run gives a curve per stage and one over the stages, as SVG that stands alone', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-curves-'));
  const files = await writeCurves(summary(), directory);
  expect(files.map((file) => file.slice(directory.length + 1))).toEqual([
    'curves/1-tool-use-reward.svg',
    'curves/1-tool-use-components.svg',
    'curves/held-out.svg',
  ]);
  for (const file of files) {
    const svg = await readFile(file, 'utf8');
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(svg).not.toContain('NaN');
  }
  expect(await readFile(files[0] ?? '', 'utf8')).toContain('tool-use: mean reward per step');
});

test('the points over the stages are the start and the end of each stage, in both modes', () => {
  expect(heldOutPoints(summary())).toEqual([
    { label: 'start', mode: 'sampled', value: 0.29 },
    { label: 'start', mode: 'greedy', value: 0.5 },
    { label: 'tool-use', mode: 'sampled', value: 0.4 },
    { label: 'tool-use', mode: 'greedy', value: 0.51 },
  ]);
});

test('a stage that was evaluated on its way has a curve of its own, in the order of steps', async () => {
  const [stage] = summary().stages;
  const detail = stage?.evalDetail ?? {};
  const evalDetail = {
    after: detail['after'] ?? { version: 0 },
    'step-10': detail['before'] ?? { version: 0 },
    before: detail['before'] ?? { version: 0 },
  };
  const evaluated = { ...summary().stages[0], steps: 12, evalDetail };
  expect(stagePoints(evaluated, 'exact_match')).toEqual(
    [0, 10, 12].flatMap((step) => [
      {
        step,
        mode: 'sampled',
        value: step < 12 ? 0.29 : 0.4,
        low: step < 12 ? 0.23 : 0.334,
        high: step < 12 ? 0.357 : 0.469,
      },
      {
        step,
        mode: 'greedy',
        value: step < 12 ? 0.5 : 0.51,
        low: step < 12 ? 0.43 : 0.44,
        high: step < 12 ? 0.57 : 0.578,
      },
    ]),
  );
  const directory = await mkdtemp(join(tmpdir(), 'gradus-curves-'));
  const run = { ...summary(), stages: summary().stages.map((one) => ({ ...one, evalDetail })) };
  const path = join(directory, 'curves/1-tool-use-held-out.svg');
  expect(await writeCurves(run, directory)).toContain(path);
  expect(await readFile(path, 'utf8')).not.toContain('NaN');
});

test('a stage without a step gives no curve', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-curves-'));
  const empty = { ...summary(), stages: summary().stages.map((stage) => ({ ...stage, reward: [], components: {} })) };
  expect(await writeCurves(empty, directory)).toEqual([join(directory, 'curves/held-out.svg')]);
});
