import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { pythonPath, repositoryRoot } from '#platform/repository.ts';
import { lastingAddress } from '../fixtures/lasting-port.ts';
import { readJson, readJsonLines, startGradus, tinyWorkplace } from './gradus-process.ts';

const python = join(repositoryRoot, '.build/trl/bin/python');
const installed = existsSync(python);
if (!installed) console.warn('skipped: a run that TRL trains; `make trl` installs it into .build/trl');

it.skipIf(!installed)("a run is trained by TRL's trainer, from rollouts of the fleet", async () => {
  const directory = await tinyWorkplace();
  const address = await lastingAddress();
  const client = join(repositoryRoot, 'clients/python');
  const trainer = spawn(
    python,
    [join(client, 'examples/train_with_trl.py'), '--listen', address, '--learning-rate', '1e-3'],
    {
      env: { ...process.env, PYTHONPATH: `${client}:${pythonPath}`, OMP_NUM_THREADS: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  onTestFinished(() => void trainer.kill('SIGKILL'));
  let said = '';
  for (const stream of [trainer.stdout, trainer.stderr]) stream.on('data', (data: Buffer) => (said += data.toString()));
  const learner = `fleet.learner={ kind: external, address: "${address}" }`;
  const run = startGradus(directory, 'run', 'tiny.yaml', '--run-id', 'by-trl', '--set', learner);
  expect(await run.exit(), `${run.output()}\n${said.slice(-3000)}`).toBe(0);
  const home = join(directory, 'runs', 'by-trl');
  expect(await readJson(join(home, 'summary.json'))).toMatchObject({
    state: 'finished',
    stages: [{ steps: 3 }, { steps: 2 }],
    model: join(home, 'final'),
  });
  const steps = (await readJsonLines(join(home, 'metrics.jsonl'))).filter(({ kind }) => kind === 'step');
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
  for (const { grad_norm: gradient } of steps) expect(gradient).toBeGreaterThan(0);
});
