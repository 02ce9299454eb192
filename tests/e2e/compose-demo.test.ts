import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exitCodes } from '#cli/exit-codes.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { startGradus, startProgram } from './gradus-process.ts';

const recipe = join(repositoryRoot, 'recipes/rollouts-scripted.yaml');

test('the demo of compose that is started again goes on with its run, whichever way that ended; another one needs --again', async () => {
  const home = await temporaryDirectory('gradus-compose-');
  const up = startGradus(home, 'up', recipe, '--root', home, '--set', 'fleet.scripted.step_ms=1000');
  await up.says(/the fleet is up/);
  const fleet: { services: { service: string; grpc?: string }[] } = JSON.parse(
    await readFile(join(home, 'runs/fleet.json'), 'utf8'),
  );
  const server = fleet.services.find(({ service }) => service === 'coordinator')?.grpc ?? '';

  const program = [process.execPath, '--disable-warning=ExperimentalWarning', 'deploy/compose/demo.ts'];
  const words = ['run', recipe, join(home, 'inputs'), join(home, 'runs'), '--set', 'stages.0.until.steps=5'];
  const demo = (...more: readonly string[]) =>
    startProgram([...program, ...words, ...more], repositoryRoot, { GRADUS_SERVER: server });

  const first = demo();
  await first.says(/run rollouts-scripted-1 begins/);
  first.process.kill('SIGTERM');
  expect(await first.exit(), first.output()).toBe(exitCodes.stopped);
  expect(first.output()).toContain('the run is not stopped by that');

  const second = demo();
  await second.says(/run rollouts-scripted-1 goes on; it is running/);
  const stop = startGradus(home, 'stop', 'rollouts-scripted-1', '--server', server);
  expect(await stop.exit(), stop.output()).toBe(0);
  expect(await second.exit(), second.output()).toBe(exitCodes.runFailed);

  const third = demo();
  expect(await third.exit(), third.output()).toBe(0);
  expect(third.output()).toContain('run rollouts-scripted-1 goes on; it was stopped: ');
  expect(third.output()).toContain('run rollouts-scripted-1: finished');

  const fourth = demo();
  expect(await fourth.exit(), fourth.output()).toBe(0);
  expect(fourth.output()).toContain('run rollouts-scripted-1 has ended before, and no other one begins');

  const fifth = demo('--again');
  expect(await fifth.exit(), fifth.output()).toBe(0);
  expect(fifth.output()).toContain('run rollouts-scripted-2 begins');
  expect(fifth.output()).toContain('run rollouts-scripted-2: finished');
});
