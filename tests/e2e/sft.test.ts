import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readJson, startGradus } from './gradus-process.ts';
import { supervisedWorkplace } from './supervised-workplace.ts';

const asked = `
  - name: asked
    kind: eval
    limits: { context_tokens: 128, max_new_tokens: 24, max_turns: 2 }
    rewards: { exact_match: 1 }
    greedy: true
`;

it('a run teaches fresh weights what a file of rows says, evaluates that, and leaves a model that loads elsewhere', async () => {
  const questions = Array.from({ length: 8 }, (_, index) => `Who founded house ${index}?`);
  const directory = await supervisedWorkplace({
    questions,
    taught: questions.slice(0, 4).map((prompt) => ({ prompt, response: '<answer>Ann</answer>' })),
    learner: '',
    warmupSteps: 5,
    steps: 60,
    stages: asked,
  });
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
