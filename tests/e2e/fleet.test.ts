import { access, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  fleetServices,
  isAlive,
  readJson,
  readJsonLines,
  startGradus,
  tinyWorkplace,
  until,
} from './gradus-process.ts';

/** 3 + 2 steps of 3 groups of 4, and 5 evaluations of 6 questions in 2 modes: each stage before and after, and the baseline. */
const trainingRollouts = 5 * 3 * 4;
const evaluationRollouts = 5 * 6 * 2;

async function taskIds(directory: string, run: string): Promise<string[]> {
  const list = startGradus(directory, 'rollout', 'list', '--run', run, '--limit', '0', '--json');
  expect(await list.exit()).toBe(0);
  const lines = list
    .output()
    .trim()
    .split('\n')
    .filter((line) => line.startsWith('{'));
  return lines.map((line) => {
    const { rollout }: { rollout: string } = JSON.parse(line);
    return rollout;
  });
}

async function expectWholeRun(directory: string, run: string): Promise<void> {
  const runDirectory = join(directory, 'runs', run);
  expect(await readJson(join(runDirectory, 'summary.json'))).toMatchObject({
    run,
    recipe: 'tiny',
    seed: 11,
    state: 'finished',
    stages: [
      { name: 'first', kind: 'rl', steps: 3, eval: { before: { n: 6 }, after: { n: 6 } } },
      { name: 'second', kind: 'rl', steps: 2, eval: { before: { n: 6 }, after: { n: 6 } } },
    ],
    rollouts: { lost: 0, duplicated: 0, failedInfra: 0, completed: trainingRollouts + evaluationRollouts },
  });
  const steps = (await readJsonLines(join(runDirectory, 'metrics.jsonl'))).filter(({ kind }) => kind === 'step');
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
  expect(steps.map((step) => step['token_mismatches'])).toEqual([0, 0, 0, 0, 0]);
  expect((await readdir(join(runDirectory, 'curves'))).toSorted()).toEqual([
    '1-first.svg',
    '2-second.svg',
    'held-out.svg',
  ]);
}

test('P1: a run on a lent fleet is stopped by Ctrl-C, resumed, and accounts for every rollout', async () => {
  const directory = await tinyWorkplace();
  const up = startGradus(directory, 'up', 'tiny.yaml');
  await up.says(/the fleet is up/);
  const services = await fleetServices(join(directory, 'runs'));
  expect(services.map(({ label }) => label).toSorted()).toEqual([
    'coordinator',
    'engine',
    'learner',
    'nats',
    'policy',
    'retrieval',
    'reward',
    'rollout-1',
    'rollout-2',
  ]);

  const second = startGradus(directory, 'up', 'tiny.yaml');
  expect(await second.exit()).toBe(2);
  expect(second.output()).toMatch(
    /a fleet for .*tiny\.yaml runs in .*runs \(process \d+, since .* UTC\); stop it with/,
  );

  const first = startGradus(directory, 'run', 'tiny.yaml', '--run-id', 'lent');
  await first.says(/first: step 1\/3/);
  first.process.kill('SIGINT');
  expect(await first.exit()).toBe(130);
  expect(first.output()).toContain('continue it with: gradus resume lent');

  const status = startGradus(directory, 'status');
  expect(await status.exit()).toBe(0);
  expect(status.output()).toMatch(/lent\s+│ stopped/);

  const again = startGradus(directory, 'run', 'tiny.yaml', '--run-id', 'lent');
  expect(await again.exit()).toBe(2);
  expect(again.output()).toContain("continue it with 'gradus resume lent'");

  const resumed = startGradus(directory, 'resume', 'lent');
  expect(await resumed.exit()).toBe(0);
  expect(resumed.output()).toContain('run lent finished');
  await expectWholeRun(directory, 'lent');

  const ids = await taskIds(directory, 'lent');
  expect(new Set(ids).size).toBe(trainingRollouts + evaluationRollouts);
  const transcript = startGradus(directory, 'rollout', 'show', ids[0] ?? '');
  expect(await transcript.exit()).toBe(0);
  expect(transcript.output()).toMatch(/^\+ /m);

  const explained = startGradus(directory, 'reward', 'explain', '--run', 'lent', '--json');
  expect(await explained.exit()).toBe(0);
  const line = explained
    .output()
    .split('\n')
    .find((each) => each.startsWith('{'));
  expect(JSON.parse(line ?? '')).toMatchObject({ differs: [], group: { closed: { fate: expect.any(String) } } });

  const stop = startGradus(directory, 'stop');
  expect(await stop.exit()).toBe(0);
  expect(await up.exit()).toBe(0);
  expect(services.filter(({ pid }) => isAlive(pid))).toEqual([]);
  await expect(access(join(directory, 'runs/fleet.json'))).rejects.toThrow('ENOENT');
});

test('P1, P8: services and the supervisor are killed with SIGKILL, and the run ends with the same tasks as one left alone', async () => {
  const directory = await tinyWorkplace();
  const home = join(directory, 'runs');
  const alone = startGradus(directory, 'run', 'tiny.yaml', '--run-id', 'alone');
  expect(await alone.exit()).toBe(0);
  await expectWholeRun(directory, 'alone');

  const killed = startGradus(directory, 'run', 'tiny.yaml', '--run-id', 'killed');
  await killed.says(/first: step 1\/3/);
  // All at once, the learner first: without it the run, which takes seconds, cannot end before they are back.
  const victims = ['learner', 'rollout-1', 'retrieval'];
  for (const label of victims) {
    const service = (await fleetServices(home)).find((each) => each.label === label);
    expect(service, label).toBeDefined();
    process.kill(service?.pid ?? 0, 'SIGKILL');
  }
  for (const label of victims.toReversed()) await killed.says(new RegExp(`${label} is back`));
  const services = await fleetServices(home);
  killed.process.kill('SIGKILL');
  await until(
    () => services.every(({ pid }) => !isAlive(pid)),
    120_000,
    () =>
      `still there: ${services
        .filter(({ pid }) => isAlive(pid))
        .map(({ label }) => label)
        .join(', ')}`,
  );

  const resumed = startGradus(directory, 'resume', 'killed');
  await resumed.says(/resumed run killed/);
  const coordinator = (await fleetServices(home)).find(({ label }) => label === 'coordinator');
  process.kill(coordinator?.pid ?? 0, 'SIGKILL');
  expect(await resumed.exit()).toBe(0);
  await expectWholeRun(directory, 'killed');
  expect(new Set(await taskIds(directory, 'killed'))).toEqual(new Set(await taskIds(directory, 'alone')));
});

test('P1: a run whose home is moved is resumed there and accounts for every rollout', async () => {
  const directory = await tinyWorkplace();
  const run = startGradus(directory, 'run', 'tiny.yaml', '--run-id', 'wandering');
  await run.says(/first: step 1\/3/);
  run.process.kill('SIGINT');
  expect(await run.exit()).toBe(130);

  const before = await taskIds(directory, 'wandering');
  await mkdir(join(directory, 'moved'));
  await rename(join(directory, 'runs'), join(directory, 'moved', 'runs'));
  const resumed = startGradus(directory, 'resume', 'wandering', '--home', 'moved/runs');
  expect(await resumed.exit(), resumed.output()).toBe(0);
  await expectWholeRun(join(directory, 'moved'), 'wandering');
  const after = await taskIds(join(directory, 'moved'), 'wandering');
  expect(after).toEqual(expect.arrayContaining(before));
  expect(new Set(after).size).toBe(trainingRollouts + evaluationRollouts);
  await expect(access(join(directory, 'runs'))).rejects.toThrow('ENOENT');
});
