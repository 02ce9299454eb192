import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fleetServices, isAlive, startGradus, until } from './gradus-process.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

async function place(): Promise<string> {
  const directory = await temporaryDirectory('gradus-bench-e2e-');
  return directory;
}

test('P1: a bench plays every rollout through the whole path, once, and leaves nothing behind', async () => {
  const directory = await place();
  const size = '--rollouts 60 --warm-up 8 --workers 2 --concurrency 16';
  const args = `bench rollouts ${size} --latency-median-ms 5 --latency-sigma 1 --json`.split(' ');
  const bench = startGradus(directory, ...args);
  expect(await bench.exit()).toBe(0);
  const line = bench
    .output()
    .split('\n')
    .find((text) => text.startsWith('{'));
  const report: Record<string, unknown> = JSON.parse(line ?? '{}');
  expect(report).toMatchObject({ policy: 'scripted', lost: 0, duplicated: 0, failures: {} });
  expect(report['processes']).toHaveLength(8);
  // Half right at 1, and tool use and format at 0.25 each.
  expect(report['reward_mean']).toBeGreaterThan(0.5);
  expect(await readdir(join(directory, 'runs'))).toEqual([]);
});

test('Ctrl-C ends a bench, its fleet and its files, with exit code 130', async () => {
  const directory = await place();
  const args = ['bench', 'rollouts', '--rollouts', '1000', '--latency-median-ms', '60000', '--concurrency', '8'];
  const bench = startGradus(directory, ...args);
  await bench.says(/rollout-1/);
  const home = join(directory, 'runs');
  const [folder = ''] = await readdir(home);
  await until(
    async () => (await fleetServices(join(home, folder))).some(({ label }) => label === 'rollout-1'),
    120_000,
    () => 'fleet.json names no worker',
  );
  const services = await fleetServices(join(home, folder));
  bench.process.kill('SIGINT');
  expect(await bench.exit()).toBe(130);
  expect(bench.output()).toContain('the bench was stopped');
  expect(services.filter(({ pid }) => isAlive(pid))).toEqual([]);
  expect(await readdir(home)).toEqual([]);
});
