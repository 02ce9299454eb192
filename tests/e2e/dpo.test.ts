import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { readJson, startGradus } from './gradus-process.ts';

const nano = resolve(import.meta.dirname, '../../policies/nano');

const recipe = `
name: prefer
seed: 1
model: { path: model, weights: random }
data: { rows: { format: gradus, train: questions.jsonl, held_out: 2, corpus: corpus.jsonl } }
environment: { name: search }
fleet: { engine: { max_context: 160, threads: 1, cache_mebibytes: 64 }, learner: { threads: 1 } }
stages:
  - { name: prefer, kind: dpo, rows: { path: pairs.jsonl }, batch: 4, learning_rate: 1.0e-3, warmup_steps: 2, until: { steps: 12 } }
  - { name: out, kind: export }
`;

it('a run prefers what a file of pairs prefers, more so with each step', async () => {
  const directory = await temporaryDirectory('gradus-dpo-e2e-');
  const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  await mkdir(join(directory, 'model'));
  for (const file of ['config.json', 'tokenizer.json']) await cp(join(nano, file), join(directory, 'model', file));
  const houses = Array.from({ length: 4 }, (_, index) => `Who founded house ${index}?`);
  const pairs = houses.map((prompt) => ({ prompt, chosen: '<answer>Ann</answer>', rejected: '<answer>Bob</answer>' }));
  await writeFile(join(directory, 'pairs.jsonl'), lines(pairs));
  await writeFile(
    join(directory, 'questions.jsonl'),
    lines(houses.map((question, index) => ({ id: `q${index}`, question, answer: 'Ann' }))),
  );
  await writeFile(join(directory, 'corpus.jsonl'), lines([{ id: 'p0', contents: 'Ann\nAnn founded it.' }]));
  await writeFile(join(directory, 'prefer.yaml'), recipe);

  const dry = startGradus(directory, 'run', 'prefer.yaml', '--dry-run');
  expect(await dry.exit(), dry.output()).toBe(0);
  expect(dry.output()).toMatch(/reference/);

  const run = startGradus(directory, 'run', 'prefer.yaml', '--run-id', 'prefer');
  expect(await run.exit(), run.output()).toBe(0);
  const home = join(directory, 'runs/prefer');
  expect(await readJson(join(home, 'summary.json'))).toMatchObject({
    state: 'finished',
    stages: [{ kind: 'dpo', steps: 12 }, { kind: 'export' }],
  });
  const metrics = (await readFile(join(home, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  const steps = metrics.map((line) => JSON.parse(line)).filter(({ kind }) => kind === 'step');
  // The policy is its own reference until its first update.
  expect(steps[0]).toMatchObject({ 'train/rewards_margin': 0, 'train/rewards_accuracy': 0 });
  expect(steps[0].loss).toBeCloseTo(Math.log(2), 5);
  expect(steps.at(-1)).toMatchObject({ 'train/rewards_accuracy': 1 });
  expect(steps.at(-1)['train/rewards_margin']).toBeGreaterThan(steps[3]['train/rewards_margin']);
  expect(steps.at(-1).loss).toBeLessThan(steps[0].loss);
});
