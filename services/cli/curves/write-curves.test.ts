import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { parseRunSummary } from '#run/directory/run-summary.ts';
import { exampleSummary } from '../run/summary-under-test.ts';
import { heldOutPoints } from './held-out.ts';
import { writeCurves } from './write-curves.ts';

const summary = () => parseRunSummary(JSON.stringify(exampleSummary()), 'summary.json');

/** A run's directory with that many steps of the example's stage. */
async function runOf(steps: number): Promise<string> {
  const directory = await temporaryDirectory('gradus-curves-');
  const lines = Array.from({ length: steps }, (_, index) => ({
    kind: 'step',
    stage: 'tool-use',
    round: 0,
    'reward/mean': 0.5 + index / 100,
    'reward/exact_match': 0.25,
    entropy: 0.1,
    'train/reference_kl': 0,
  }));
  await writeFile(join(directory, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return directory;
}

const drawn = async (steps: number, name: string, run = summary()): Promise<string> => {
  const directory = await runOf(steps);
  const path = join(directory, 'curves', name);
  expect(await writeCurves(run, directory)).toContain(path);
  return await readFile(path, 'utf8');
};

test('a run gives a picture of the steps of each stage and one of the held-out rows, as SVG that stands alone', async () => {
  const directory = await runOf(2);
  const files = await writeCurves(summary(), directory);
  expect(files.map((file) => file.slice(directory.length + 1))).toEqual([
    'curves/1-tool-use.svg',
    'curves/held-out.svg',
  ]);
  for (const file of files) {
    const svg = await readFile(file, 'utf8');
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(svg).not.toContain('NaN');
  }
});

test('a stage shows what was measured, and says whether it is smoothed: few steps are not', async () => {
  const few = await drawn(7, '1-tool-use.svg');
  for (const title of ['reward', 'exact_match', 'entropy in nats']) expect(few).toContain(`>${title}<`);
  expect(few).toContain('each point is a step; nothing is smoothed');
  expect(few).not.toContain('KL to the reference');
  expect(await drawn(20, '1-tool-use.svg')).toContain('thin: each step; bold: mean of the 5 steps around it');
});

test('the held-out rows are drawn from 0 to 100 %, with their number and the limits of each stage', async () => {
  const [stage] = summary().stages;
  if (stage === undefined) throw new Error('the example has a stage');
  const wider = { ...stage, name: 'wider', contextTokens: 640, maxTurns: 10 };
  const svg = await drawn(1, 'held-out.svg', { ...summary(), stages: [{ ...stage, maxTurns: 4 }, wider] });
  for (const text of [
    '200 rollouts per point, with 95 % intervals',
    '320 tokens, 4 turns',
    '640 tokens, 10 turns',
    '100%',
    '0%',
  ])
    expect(svg).toContain(`>${text}<`);
  expect(svg).toContain('dashed: the untrained policy, at the last limits');
});

test('evaluations within a stage lie between its ends, in the order of steps, with their intervals', () => {
  const [stage] = summary().stages;
  const { before = { version: 0 }, after = { version: 0 } } = stage?.evalDetail ?? {};
  const points = heldOutPoints({ steps: 12, evalDetail: { after, 'step-10': before, before } }, 'exact_match');
  expect(points.filter(({ mode }) => mode === 'sampled')).toEqual([
    { step: 0, mode: 'sampled', value: 0.29, low: 0.23, high: 0.357 },
    { step: 10, mode: 'sampled', value: 0.29, low: 0.23, high: 0.357 },
    { step: 12, mode: 'sampled', value: 0.4, low: 0.334, high: 0.469 },
  ]);
});

test('a stage without a step, and a run that measured nothing yet, have no picture of steps', async () => {
  const directory = await temporaryDirectory('gradus-curves-');
  expect(await writeCurves(summary(), directory)).toEqual([join(directory, 'curves/held-out.svg')]);
});
