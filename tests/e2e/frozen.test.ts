/** Processes that live and do not answer: stopped with SIGSTOP forever, as a deadlock or a broken disk leaves them. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { fleetServices, readJson, startGradus, tinyWorkplace } from './gradus-process.ts';
import type { FleetService } from './gradus-process.ts';

async function freeze(home: string, isChosen: (service: FleetService) => boolean): Promise<readonly FleetService[]> {
  const chosen = (await fleetServices(home)).filter(isChosen);
  for (const { pid } of chosen) process.kill(pid, 'SIGSTOP');
  onTestFinished(() => {
    for (const { pid } of chosen) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone, as it should be.
      }
    }
  });
  return chosen;
}

test('P10: whatever service is frozen forever, NATS and the learner included, is restarted, and the run finishes', async () => {
  const directory = await tinyWorkplace();
  const home = join(directory, 'runs');
  const run = startGradus(directory, 'run', 'tiny.yaml', '--run-id', 'frozen');
  await run.says(/first: step 1\/3/);
  const frozen = await freeze(home, () => true);
  expect(frozen.map(({ label }) => label)).toEqual(
    expect.arrayContaining(['nats', 'learner', 'engine', 'coordinator', 'policy', 'retrieval', 'reward', 'rollout-1']),
  );
  for (const { label } of frozen) {
    await run.says(new RegExp(`${label} lives and has not answered for .* s \\(.*\\); it is killed`));
    await run.says(new RegExp(`${label} is back`));
  }
  expect(await run.exit()).toBe(0);
  expect(await readJson(join(home, 'frozen', 'summary.json'))).toMatchObject({
    state: 'finished',
    rollouts: { lost: 0, duplicated: 0 },
  });
});

test('status of a fleet whose NATS is frozen says that NATS does not answer, and what to do', async () => {
  const directory = await tinyWorkplace();
  const recipe = join(directory, 'tiny.yaml');
  // The supervisor would restart it before anybody has looked.
  await writeFile(recipe, (await readFile(recipe, 'utf8')).replace('fleet:\n', 'fleet:\n  hung_after_ms: 3600000\n'));
  const up = startGradus(directory, 'up', 'tiny.yaml');
  await up.says(/the fleet is up/);
  const [nats] = await freeze(join(directory, 'runs'), ({ label }) => label === 'nats');
  const status = startGradus(directory, 'status');
  expect(await status.exit()).toBe(4);
  expect(status.output()).toMatch(/nats\s+│.*│ silent/);
  expect(status.output()).toMatch(/learner\s+│.*│ up/);
  expect(status.output()).toContain(`NATS does not answer at 127.0.0.1:`);
  expect(status.output()).toContain(`(process ${nats?.pid})`);
  expect(status.output()).toContain('gradus resume');
});

test('P10: a fleet whose supervisor was stopped is continued and ends when it is asked to stop, and that is said', async () => {
  const directory = await tinyWorkplace();
  const up = startGradus(directory, 'up', 'tiny.yaml');
  await up.says(/the fleet is up/);
  const { supervisor } = JSON.parse(await readFile(join(directory, 'runs', 'fleet.json'), 'utf8'));
  process.kill(supervisor.pid, 'SIGSTOP');
  const stop = startGradus(directory, 'stop');
  await stop.says(new RegExp(`process ${supervisor.pid}, which runs the fleet, does not react: it was stopped`));
  expect(await stop.exit()).toBe(0);
  expect(stop.output()).toContain('has stopped');
});
