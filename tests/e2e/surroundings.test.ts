/** What the machine does to a fleet: a disk that is full for a while, and a port that another process takes. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { isAlive, readJson, startGradus, until } from './gradus-process.ts';

const run = promisify(execFile);
const nano = resolve(import.meta.dirname, '../../policies/nano');

const recipe = (steps: number): string => `
name: scripted
seed: 1
model: { path: ${nano} }
data: { world: { seed: 7, train: 60, held_out: 10 } }
environment: { name: search, options: { top_k: 2, preview_characters: 150, max_document_characters: 1000 } }
fleet:
  concurrency: 32
  engine: { kind: scripted, max_context: 1024 }
  learner: { kind: scripted }
  scripted: { turns: 2, latency_median_ms: 5, step_ms: 100 }
eval: { questions: 1, sampled: true, greedy: false }
checkpoints: { every_steps: 2, keep: 2 }
stages:
  - name: play
    limits: { context_tokens: 640, max_turns: 4, max_new_tokens: 96, tool_timeout_ms: 5000, turn_timeout_ms: 10000, rollout_timeout_ms: 30000 }
    deadlines: { group_ms: 60000, step_ms: 120000 }
    rewards: { exact_match: 1.0 }
    batch: { groups: 4, group_size: 4 }
    algorithm: { dynamic_sampling: false }
    until: { steps: ${steps} }
`;

async function workplace(steps = 30): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-e2e-'));
  await writeFile(join(directory, 'scripted.yaml'), recipe(steps));
  return directory;
}

async function expectAccounted(home: string, runId: string): Promise<void> {
  expect(await readJson(join(home, runId, 'summary.json'))).toMatchObject({
    state: 'finished',
    stages: [{ name: 'play', steps: 30 }],
    rollouts: { lost: 0, duplicated: 0 },
  });
}

/** A file system of its own in memory, or undefined where none may be mounted. */
async function mountDisk(directory: string): Promise<string | undefined> {
  const disk = await mkdtemp(join(directory, 'disk-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1g', 'tmpfs', disk]);
  } catch {
    return undefined;
  }
  // Lazily: the fleet may still end in it.
  onTestFinished(async () => void (await run('umount', ['-l', disk])));
  return disk;
}

test('P10: a disk that is full for a while is reported at once, and the run goes on when there is room', async ({
  skip,
}) => {
  // More than it ever gets to: it cannot end while the disk is filled.
  const directory = await workplace(100_000);
  const disk = await mountDisk(directory);
  if (disk === undefined) return skip('a file system can be mounted by root only');
  const home = join(disk, 'home');
  const gradus = startGradus(directory, 'run', 'scripted.yaml', '--run-id', 'full', '--home', home);
  await gradus.says(/play: step 2\//);
  const filler = join(disk, 'filler');
  const { bsize, bfree } = await statfs(disk);
  await run('dd', [
    'if=/dev/zero',
    `of=${filler}`,
    'bs=1M',
    `count=${Math.ceil((bsize * bfree) / 1024 ** 2) + 8}`,
  ]).catch(() => 'no space left on device, as wanted');
  await gradus.says(/the disk of .*nats is full \(\d+ MiB free\): free at least 64 MiB there/);
  const status = startGradus(directory, 'status', '--home', home);
  await status.exit();
  expect(status.output()).toMatch(/the disk of .*nats is full/);
  await rm(filler);
  await gradus.says(/the disk of .*nats has room again after \d+ s; the run goes on/);
  const stepsBefore = lastStep(gradus.output());
  await until(
    () => lastStep(gradus.output()) > stepsBefore,
    300_000,
    () => `no step was made after there was room again; gradus has said:\n${gradus.output()}`,
  );
  gradus.process.kill('SIGINT');
  expect(await gradus.exit()).toBe(130);
  expect(await readJson(join(home, 'full', 'summary.json'))).toMatchObject({
    state: 'stopped',
    rollouts: { lost: 0, duplicated: 0 },
  });
});

function lastStep(output: string): number {
  return Number([...output.matchAll(/play: step (\d+)\//g)].at(-1)?.[1] ?? 0);
}

test('P10: services whose ports are taken for good while they are dead move, and so does everybody who holds their addresses', async () => {
  const directory = await workplace();
  const home = join(directory, 'runs');
  const gradus = startGradus(directory, 'run', 'scripted.yaml', '--run-id', 'moved');
  await gradus.says(/play: step 2\//);
  for (const label of ['nats', 'learner', 'retrieval']) {
    const address = await takePortOf(home, label);
    await gradus.says(new RegExp(`${label} cannot listen on its old port: ${address} \\(process ${process.pid} `));
    await gradus.says(new RegExp(`${label} has moved from ${address} to 127\\.0\\.0\\.1:\\d+`));
  }
  const { natsUrl, services } = await fleetFile(home);
  expect(natsUrl).toBe(`nats://${services.find(({ label }) => label === 'nats')?.nats}`);
  expect(await gradus.exit()).toBe(0);
  await expectAccounted(home, 'moved');
});

interface Fleet {
  readonly natsUrl: string;
  readonly services: readonly { label: string; pid: number; grpc?: string; nats?: string }[];
}

async function fleetFile(home: string): Promise<Fleet> {
  const fleet: Fleet = JSON.parse(await readFile(join(home, 'fleet.json'), 'utf8'));
  return fleet;
}

/** Kills a service and has its port before it is back; one that was faster is killed again. Gives the address. */
async function takePortOf(home: string, label: string): Promise<string> {
  let address = '';
  const server = createServer();
  onTestFinished(() => void server.close());
  await until(
    async () => {
      const service = (await fleetFile(home)).services.find((each) => each.label === label);
      if (service === undefined) return false;
      address = service.nats ?? service.grpc ?? '';
      if (isAlive(service.pid)) process.kill(service.pid, 'SIGKILL');
      const listening = once(server, 'listening').then(() => true);
      server.listen(Number(address.split(':')[1]), '127.0.0.1');
      return await listening.catch(() => false);
    },
    60_000,
    () => `the port of ${label}, ${address}, could not be taken`,
  );
  return address;
}
