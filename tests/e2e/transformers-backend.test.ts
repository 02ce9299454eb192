import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { readJson, readJsonLines, startGradus } from './gradus-process.ts';
import { supervisedWorkplace } from './supervised-workplace.ts';

const nano = resolve(import.meta.dirname, '../../policies/nano');

const questions = Array.from({ length: 8 }, (_, index) => `Who founded house ${index}?`);

it('a model that transformers computes is taught as by our own decoder, and the built-in engine loads its versions', async () => {
  const losses: number[][] = [];
  for (const backend of ['builtin', 'transformers']) {
    const directory = await supervisedWorkplace({
      model: `{ path: ${nano}, backend: ${backend} }`,
      questions,
      taught: questions.map((prompt) => ({ prompt, response: '<answer>Ann</answer>' })),
      learner: '',
      warmupSteps: 1,
      steps: 4,
    });
    const run = startGradus(directory, 'run', 'teach.yaml', '--run-id', 'teach');
    expect(await run.exit(), run.output()).toBe(0);
    const home = join(directory, 'runs/teach');
    expect(await readJson(join(home, 'summary.json'))).toMatchObject({ state: 'finished' });
    const steps = (await readJsonLines(join(home, 'metrics.jsonl'))).filter(({ kind }) => kind === 'step');
    losses.push(steps.map((step) => Number(step['loss'])));
  }
  const [ours = [], theirs = []] = losses;
  expect(ours).toHaveLength(4);
  expect(ours[3]).toBeLessThan(ours[0] ?? 0);
  expect(theirs[0]).toBeCloseTo(ours[0] ?? Number.NaN, 4);
  // Rounding grows with each update: 2e-4 of the loss was seen after three.
  theirs.forEach((loss, index) => expect(loss).toBeCloseTo(ours[index] ?? Number.NaN, 2));
  expect(theirs).toHaveLength(4);
});
