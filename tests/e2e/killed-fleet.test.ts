import { spawn, spawnSync } from 'node:child_process';
import { readFile, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { identityOf, stateOf } from '#platform/runtime/process-identity.ts';
import { readRecordedFleet } from '../../services/fleet/fleet-file.ts';
import type { FleetFile } from '../../services/fleet/fleet-file.ts';
import { readJson, startGradus, startGradusBy, until } from './gradus-process.ts';
import type { GradusProcess } from './gradus-process.ts';

const root = resolve(import.meta.dirname, '../..');
const recipe = join(root, 'recipes/rollouts-scripted.yaml');
/** 10 steps of 8 groups of 4, and 2 evaluations of 20 questions. */
const steps = 10;

const newFolder = () => mkdtemp(join(tmpdir(), 'gradus-killed-'));

async function fleetOf(directory: string): Promise<FleetFile> {
  const fleet = await readRecordedFleet(join(directory, 'runs'));
  if (fleet === undefined) throw new Error(`${directory} has no fleet file`);
  return fleet;
}

async function expectWholeRun(directory: string, run: string): Promise<void> {
  const summary = await readJson(join(directory, 'runs', run, 'summary.json'));
  expect(summary).toMatchObject({
    state: 'finished',
    stages: [{ name: 'play', steps }],
    rollouts: { lost: 0, duplicated: 0 },
  });
}

/** Ends what is left of a fleet, should a test fail. */
function endWith(fleet: FleetFile): void {
  onTestFinished(() => {
    for (const each of fleet.processes) if (stateOf(each) === 'alive') process.kill(each.pid, 'SIGKILL');
  });
}

const newNamespace = ['--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL'];
const whyNoNamespace =
  spawnSync('unshare', [...newNamespace, 'true']).status === 0 ? undefined : 'unshare is not allowed';

/** `gradus …` as the first process of a namespace of its own, as in a container; SIGKILL ends all of it. */
function startInNamespace(directory: string, ...args: readonly string[]): GradusProcess {
  return startGradusBy(['unshare', ...newNamespace], directory, ...args);
}

test.skipIf(whyNoNamespace !== undefined)(
  'P1, P10: a killed container is resumed in a process namespace of its own on the same home and loses nothing',
  async () => {
    const directory = await newFolder();
    const run = startInNamespace(directory, 'run', recipe, '--run-id', 'ns');
    await run.says(/play: step 2\/10/);
    const before = await fleetOf(directory);
    expect(before.supervisor.pid).toBeLessThan(10);

    // From outside the fleet is seen, and cannot be reached by its process ids.
    const outside = startGradus(directory, 'stop');
    expect(await outside.exit()).toBe(2);
    expect(outside.output()).toMatch(
      /runs in .* of another process namespace, container or machine, since .*; stop it there/,
    );

    run.process.kill('SIGKILL');
    expect(await run.exit()).toBe('SIGKILL');
    const status = startInNamespace(directory, 'status');
    expect(await status.exit()).toBe(0);
    expect(status.output()).toMatch(/no fleet runs in .*; the last one, for .*, was killed/);

    const resumed = startInNamespace(directory, 'resume', 'ns');
    expect(await resumed.exit(), resumed.output()).toBe(0);
    await expectWholeRun(directory, 'ns');
  },
);

test.skipIf(whyNoNamespace !== undefined)(
  'a container that is started again after a kill can stop what is no more, at once',
  async () => {
    const directory = await newFolder();
    const up = startInNamespace(directory, 'up', recipe);
    await up.says(/the fleet is up/);
    up.process.kill('SIGKILL');
    await up.exit();
    const stop = startInNamespace(directory, 'stop');
    expect(await stop.exit()).toBe(0);
    expect(stop.output()).toMatch(/the fleet in .* was killed; nothing of it runs now/);
    const again = startInNamespace(directory, 'stop');
    expect(await again.exit()).toBe(2);
    expect(again.output()).toContain('nothing to stop');
  },
);

test('P1, P10: supervisor and guardian are killed, and the next start ends what they left, on one store', async () => {
  const directory = await newFolder();
  const run = startGradus(directory, 'run', recipe, '--run-id', 'twice');
  await run.says(/play: step 2\/10/);
  const fleet = await fleetOf(directory);
  endWith(fleet);
  expect(fleet.processes.length).toBeGreaterThanOrEqual(9);
  process.kill(await guardianOf(fleet.supervisor.pid), 'SIGKILL');
  run.process.kill('SIGKILL');
  await run.exit();
  expect(fleet.processes.map((each) => stateOf(each))).toEqual(fleet.processes.map(() => 'alive'));

  const status = startGradus(directory, 'status');
  expect(await status.exit()).toBe(0);
  expect(status.output()).toMatch(
    /was killed \(process \d+\) and left \d+ processes; 'gradus stop --home .*' or the next start ends them/,
  );

  const resumed = startGradus(directory, 'resume', 'twice');
  await resumed.says(/ended what a fleet that was killed had left here: nats \(process \d+\)/);
  expect(fleet.processes.filter((each) => stateOf(each) === 'alive')).toEqual([]);
  expect(await resumed.exit(), resumed.output()).toBe(0);
  await expectWholeRun(directory, 'twice');
});

test('a reader of streams ends what a killed fleet left before it opens them', async () => {
  const directory = await newFolder();
  const run = startGradus(directory, 'run', recipe, '--run-id', 'read');
  await run.says(/play: step 1\/10/);
  const fleet = await fleetOf(directory);
  endWith(fleet);
  process.kill(await guardianOf(fleet.supervisor.pid), 'SIGKILL');
  run.process.kill('SIGKILL');
  await run.exit();
  const show = startGradus(directory, 'rollout', 'list', '--run', 'read');
  expect(await show.exit(), show.output()).toBe(0);
  expect(show.output()).toMatch(/ended what a fleet that was killed had left/);
  expect(fleet.processes.filter((each) => stateOf(each) === 'alive')).toEqual([]);
  const letters = startGradus(directory, 'dlq', 'list');
  expect(await letters.exit()).toBe(0);
});

test('P1: stop signals nobody but the fleet: not a process that was given its id, nor one that was given that of a service', async () => {
  const directory = await newFolder();
  const up = startGradus(directory, 'up', recipe);
  await up.says(/the fleet is up/);
  const fleet = await fleetOf(directory);
  endWith(fleet);
  up.process.kill('SIGKILL');
  await up.exit();
  await until(
    () => fleet.processes.every((each) => stateOf(each) === 'gone'),
    120_000,
    () => 'the guardian has not ended the fleet',
  );
  const other = spawn('sleep', ['600'], { stdio: 'ignore', detached: true });
  onTestFinished(() => void other.kill('SIGKILL'));
  const pid = other.pid ?? 0;
  const path = join(directory, 'runs', 'fleet.json');
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replaceAll(/"pid": \d+/g, `"pid": ${pid}`));

  const status = startGradus(directory, 'status');
  expect(await status.exit()).toBe(0);
  expect(status.output()).toMatch(/no fleet runs in/);
  const stop = startGradus(directory, 'stop');
  expect(await stop.exit()).toBe(0);
  expect(stop.output()).toMatch(/was killed; nothing of it runs now$/m);
  expect(identityOf(pid)).toBeDefined();
});

test('P10: a service that is killed while it starts is started again, and the fleet comes up', async () => {
  const directory = await newFolder();
  const up = startGradus(directory, 'up', recipe);
  let victim: number | undefined;
  await until(
    async () => {
      const fleet = await readRecordedFleet(join(directory, 'runs'));
      for (const { pid } of fleet?.processes ?? []) {
        const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
        if (command.includes('services/retrieval/main.ts')) victim = pid;
      }
      return victim !== undefined;
    },
    120_000,
    () => `retrieval was not started; ${up.output()}`,
  );
  process.kill(victim ?? 0, 'SIGKILL');
  await up.says(/the fleet is up/);
  expect(up.output()).toMatch(/retrieval (could not be started: .*ended by SIGKILL|has died)/);
  up.process.kill('SIGTERM');
  expect(await up.exit()).toBe(0);
});

/** The process id of the shell that runs guardian.sh for a supervisor. */
async function guardianOf(supervisor: number): Promise<number> {
  const { stdout } = spawnSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' });
  const line = stdout
    .split('\n')
    .find((each) => each.trim().split(/\s+/)[1] === `${supervisor}` && each.includes('guardian.sh'));
  if (line === undefined) throw new Error(`process ${supervisor} has no guardian`);
  return Number(line.trim().split(/\s+/)[0]);
}
