import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { pythonPath, pythonProgram } from '#platform/repository.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';
import { readJson, readJsonLines, startGradus, tinyWorkplace } from './gradus-process.ts';

function startLearner(address: string): ChildProcess {
  const child = spawn(pythonProgram, ['-m', 'gradus_learner.serve', '--grpc', address, '--threads', '1'], {
    env: { ...process.env, PYTHONPATH: pythonPath, OMP_NUM_THREADS: '1' },
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

const at = (address: string, ...more: readonly string[]): string[] => [
  '--set',
  `fleet.learner={ kind: external, address: "${address}"${more.map((each) => `, ${each}`).join('')} }`,
];

it('P10: a run is trained by a learner that the fleet did not start, which comes late and is killed once', async () => {
  const directory = await tinyWorkplace();
  const address = `127.0.0.1:${await lastingPort()}`;
  const run = startGradus(directory, 'run', 'tiny.yaml', '--run-id', 'theirs', ...at(address));
  await run.says(/reward/);
  const first = startLearner(address);
  await run.says(/first: step 2\b/);
  first.kill('SIGKILL');
  await once(first, 'exit');
  const second = startLearner(address);
  expect(await run.exit(), run.output()).toBe(0);
  const home = join(directory, 'runs', 'theirs');
  expect(await readJson(join(home, 'summary.json'))).toMatchObject({
    state: 'finished',
    stages: [{ steps: 3 }, { steps: 2 }],
    model: join(home, 'final'),
  });
  const steps = (await readJsonLines(join(home, 'metrics.jsonl'))).filter(({ kind }) => kind === 'step');
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
  // It is whoever started it that ends it.
  expect([second.exitCode, second.signalCode]).toEqual([null, null]);
});

it('P9: a learner that does not answer ends the start with its address and what to do', async () => {
  const directory = await tinyWorkplace();
  const address = `127.0.0.1:${await lastingPort()}`;
  const run = startGradus(directory, 'run', 'tiny.yaml', ...at(address, 'start_timeout_ms: 1000'));
  expect(await run.exit(), run.output()).not.toBe(0);
  expect(run.output()).toContain(`fleet.learner.address is ${address}, and no learner answered there within 1000 ms`);
});
