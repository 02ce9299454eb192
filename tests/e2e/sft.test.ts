import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { readJson, startGradus } from './gradus-process.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const nano = resolve(import.meta.dirname, '../../policies/nano');

const recipe = `
name: teach
seed: 1
model: { path: model, weights: random }
data: { rows: { format: gradus, train: questions.jsonl, held_out: 4, corpus: corpus.jsonl } }
environment: { name: search }
eval: { questions: 4, greedy: true, sampled: false }
fleet: { engine: { max_context: 160, threads: 1, cache_mebibytes: 64 }, learner: { threads: 1 } }
stages:
  - { name: teach, kind: sft, rows: { path: rows.jsonl }, batch: 16, learning_rate: 3.0e-3, warmup_steps: 5, until: { steps: 60 } }
  - { name: out, kind: export }
  - name: asked
    kind: eval
    limits: { context_tokens: 128, max_new_tokens: 24, max_turns: 2 }
    rewards: { exact_match: 1 }
    greedy: true
`;

it('a run teaches fresh weights what a file of rows says, evaluates that, and leaves a model that loads elsewhere', async () => {
  const directory = await temporaryDirectory('gradus-sft-e2e-');
  const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  await mkdir(join(directory, 'model'));
  for (const file of ['config.json', 'tokenizer.json']) await cp(join(nano, file), join(directory, 'model', file));
  const houses = Array.from({ length: 8 }, (_, index) => `Who founded house ${index}?`);
  const taught = houses.slice(0, 4).map((prompt) => ({ prompt, response: '<answer>Ann</answer>' }));
  await writeFile(join(directory, 'rows.jsonl'), lines(taught));
  await writeFile(
    join(directory, 'questions.jsonl'),
    lines(houses.map((question, index) => ({ id: `q${index}`, question, answer: 'Ann' }))),
  );
  await writeFile(join(directory, 'corpus.jsonl'), lines([{ id: 'p0', contents: 'Ann\nAnn founded it.' }]));
  await writeFile(join(directory, 'teach.yaml'), recipe);

  const run = startGradus(directory, 'run', 'teach.yaml', '--run-id', 'teach');
  expect(await run.exit(), run.output()).toBe(0);
  const home = join(directory, 'runs/teach');
  expect(run.output()).toContain(`the trained model, as transformers loads it: ${join(home, 'final')}`);
  expect(await readJson(join(home, 'summary.json'))).toMatchObject({
    state: 'finished',
    model: join(home, 'final'),
    stages: [
      { kind: 'sft', steps: 60 },
      { kind: 'export', finished: 'exported' },
      { kind: 'eval', finished: 'evaluated' },
    ],
    rollouts: { lost: 0, duplicated: 0 },
  });
  // Fresh weights know no answer; there is one to learn.
  expect(await readJson(join(home, 'stages/asked/summary.json'))).toMatchObject({
    metrics: { exact_match: { value: 1 } },
  });
  const files = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'];
  expect((await readdir(join(home, 'final'))).toSorted()).toEqual(files);
  expect((await readdir(join(home, 'exports/out'))).toSorted()).toEqual(files);
});
