import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readJson, startGradus } from './gradus-process.ts';
import { supervisedWorkplace } from './supervised-workplace.ts';

/** Answers of several lengths. */
async function prepare(): Promise<string> {
  const questions = Array.from({ length: 8 }, (_, index) => `Who founded house ${index}?`);
  return await supervisedWorkplace({
    questions,
    taught: questions.map((prompt, index) => ({ prompt, response: '<answer>Ann</answer>'.repeat(1 + (index % 3)) })),
    learner: ', micro_batch_tokens: 64',
    warmupSteps: 1,
    steps: 6,
  });
}

/** Float32 values of a safetensors file. */
async function valuesOf(file: string): Promise<Float32Array> {
  const bytes = await readFile(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length));
}

function distance(left: Float32Array, right: Float32Array): number {
  expect(left.length).toBe(right.length);
  const norm = (value: (index: number) => number): number =>
    Math.sqrt(right.reduce((sum, _, index) => sum + value(index) ** 2, 0));
  return norm((index) => (left[index] ?? 0) - (right[index] ?? 0)) / norm((index) => right[index] ?? 0);
}

it.each([
  ['all weights', []],
  ['adapters', ['--set', 'model.lora.rank=4']],
])(
  'a run of two ranks that trains %s ends with the weights of a run of one, and its logs are of each rank',
  async (_, settings) => {
    const directory = await prepare();
    const home = (id: string): string => join(directory, 'runs', id);
    for (const ranks of [1, 2]) {
      const run = startGradus(
        directory,
        'run',
        'teach.yaml',
        '--run-id',
        `of-${ranks}`,
        '--set',
        `fleet.learner.ranks=${ranks}`,
        ...settings,
      );
      expect(await run.exit(), run.output()).toBe(0);
      expect(await readJson(join(home(`of-${ranks}`), 'summary.json'))).toMatchObject({ state: 'finished' });
    }
    const weights = async (id: string) => await valuesOf(join(home(id), 'final', 'model.safetensors'));
    const [one, two] = [await weights('of-1'), await weights('of-2')];
    expect(distance(two, one)).toBeLessThan(1e-5);
    const log = await readFile(join(home('of-2'), 'logs', 'learner-rank-1.log'), 'utf8');
    expect(log).toMatch(/"rank": 1, "ranks": 2, "process": \d+, "message": "joined"/);
  },
);

it('P10: a rank that is killed is named, all are started again, and the run goes on to its end', async () => {
  const directory = await prepare();
  const run = startGradus(
    directory,
    'run',
    'teach.yaml',
    '--run-id',
    'killed',
    '--set',
    'fleet.learner.ranks=2',
    '--set',
    'stages.0.until.steps=60',
  );
  await run.says(/teach: step 2\b/);
  const log = await readFile(join(directory, 'runs', 'killed', 'logs', 'learner-rank-1.log'), 'utf8');
  const pid = Number(/"process": (\d+)/.exec(log)?.[1]);
  process.kill(pid, 'SIGKILL');
  await run.says(/learner has died \(rank 1: ended by SIGKILL\)/);
  expect(await run.exit(), run.output()).toBe(0);
  expect(await readJson(join(directory, 'runs', 'killed', 'summary.json'))).toMatchObject({
    state: 'finished',
    stages: [{ kind: 'sft', steps: 60 }, { kind: 'export' }],
  });
});
