import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { lockFile } from '#platform/runtime/file-lock.ts';
import { identityOf, ownIdentity, stateOf } from '#platform/runtime/process-identity.ts';
import type { ProcessIdentity } from '#platform/runtime/process-identity.ts';
import { claimHome, clearHome } from './claim-home.ts';
import type { FleetDescription, HomeClaim } from './claim-home.ts';
import { lockPath, readFleetFile, readRecordedFleet, saysOnDisk } from './fleet-file.ts';
import type { FleetFile } from './fleet-file.ts';
import { prometheusTargets } from './prometheus-targets.ts';

const newHome = () => mkdtemp(join(tmpdir(), 'gradus-home-'));
const description: FleetDescription = {
  owner: 'up',
  recipePath: '/recipes/demo.yaml',
  key: 'k',
  paths: { model: '/m', train: '/t', held_out: '/h', corpus: '/c' },
  inputs: [],
  logs: '/logs',
  natsUrl: 'nats://127.0.0.1:1',
  services: [],
};

async function claim(home: string): Promise<HomeClaim> {
  const claimed = await claimHome(home, description);
  onTestFinished(() => claimed.release());
  return claimed;
}

/** In its own process group, as services are. */
function startSleep(): ProcessIdentity {
  const child = spawn('sleep', ['600'], { stdio: 'ignore', detached: true });
  onTestFinished(() => void child.kill('SIGKILL'));
  const identity = identityOf(child.pid ?? 0);
  if (identity === undefined) throw new Error('sleep has no identity');
  return identity;
}

/** As a fleet leaves it that was killed together with its guardian: nobody holds the lock. */
async function killedFleet(
  home: string,
  supervisor: ProcessIdentity,
  processes: readonly ProcessIdentity[] = [],
): Promise<void> {
  const services = processes.map(({ pid }, index) => ({ label: `rollout-${index + 1}`, service: 'rollout', pid }));
  const file: FleetFile = {
    ...description,
    format: 2,
    supervisor,
    startedAt: '2026-01-01T00:00:00.000Z',
    services,
    processes: [...processes],
  };
  await mkdir(home, { recursive: true });
  await writeFile(join(home, 'fleet.json'), JSON.stringify(file));
  await writeFile(lockPath(home), '');
}

/** A supervisor in a process of its own with one child, whose id it prints. */
const supervisor = `
  import { spawn } from 'node:child_process';
  import { claimHome } from '${new URL('./claim-home.ts', import.meta.url).href}';
  try {
    const claim = await claimHome(process.argv[1], JSON.parse(process.argv[2]));
    const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    claim.guardian.watch(child.pid);
    await claim.describe({ services: [{ label: 'nats', service: 'nats', pid: child.pid }] });
    console.log(JSON.stringify({ child: child.pid, left: claim.leftBehind }));
    setInterval(() => {}, 1000);
  } catch (error) {
    console.log(JSON.stringify({ refused: error.message }));
  }
`;

interface Said {
  readonly child?: number;
  readonly left?: readonly string[];
  readonly refused?: string;
}

async function startSupervisor(home: string) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', supervisor, home, JSON.stringify(description)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const said: Said = JSON.parse(String(line));
  return { process: child, said };
}

test('a home has one fleet at a time, and the second is refused with the process of the first and since when it runs', async () => {
  const home = await newHome();
  const first = await claim(home);
  await expect(claimHome(home, description)).rejects.toThrow(
    new RegExp(
      `^a fleet for /recipes/demo.yaml runs in ${home} \\(process ${process.pid}, since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d UTC\\); stop it with 'gradus stop --home ${home}' or use another --home$`,
    ),
  );
  await first.release();
  expect(await readFleetFile(home)).toBeUndefined();
  await claim(home);
});

test('of several that start in one home at the same moment exactly one gets it', async () => {
  const home = await newHome();
  const all = await Promise.all(Array.from({ length: 5 }, () => startSupervisor(home)));
  expect(all.filter(({ said }) => said.refused === undefined)).toHaveLength(1);
  for (const { said } of all)
    if (said.refused !== undefined) expect(said.refused).toMatch(/runs in .*gradus stop|starts or ends in/);
});

test('a supervisor that was killed has no fleet, and its home is taken over at once', async () => {
  const home = await newHome();
  const dead = await startSupervisor(home);
  dead.process.kill('SIGKILL');
  await once(dead.process, 'exit');
  expect(await readFleetFile(home)).toBeUndefined();
  const mine = await claim(home);
  expect(mine.file.supervisor.pid).toBe(process.pid);
  expect((await readFleetFile(home))?.supervisor).toEqual(ownIdentity());
});

test('what a fleet left that was killed with its guardian is ended before the next one starts', async () => {
  const home = await newHome();
  const orphans = [startSleep(), startSleep()];
  await killedFleet(home, { ...ownIdentity(), startTime: '1' }, orphans);
  const mine = await claim(home);
  expect(mine.leftBehind).toEqual(orphans.map(({ pid }, index) => `rollout-${index + 1} (process ${pid})`));
  expect(orphans.map((each) => stateOf(each))).toEqual(['gone', 'gone']);
  expect(mine.file.processes).toEqual([]);
});

test('a process that was given the id of a dead supervisor or service is not touched', async () => {
  const home = await newHome();
  const other = startSleep();
  const dead = { ...other, startTime: `${Number(other.startTime) - 1}` };
  await killedFleet(home, dead, [dead]);
  expect(await readFleetFile(home)).toBeUndefined();
  expect(await clearHome(home)).toEqual([]);
  await killedFleet(home, dead, [dead]);
  expect((await claim(home)).leftBehind).toEqual([]);
  expect(stateOf(other)).toBe('alive');
});

test.each([
  ['empty', ''],
  ['cut', '{"format":2,"supervi'],
  ['of another version', '{"format":1,"pid":1}'],
])('a file that is %s is no fleet and is taken over', async (_, text) => {
  const home = await newHome();
  await writeFile(join(home, 'fleet.json'), text);
  expect(await readFleetFile(home)).toBeUndefined();
  const mine = await claim(home);
  expect(await readRecordedFleet(home)).toEqual(mine.file);
});

test('a live fleet whose file is emptied or removed is still found, and writes the file again', async () => {
  const home = await newHome();
  const mine = await claim(home);
  await writeFile(join(home, 'fleet.json'), '');
  expect(await readFleetFile(home)).toEqual(mine.file);
  await rm(join(home, 'fleet.json'));
  expect(await readFleetFile(home)).toEqual(mine.file);
});

test('the file on disk is compared to the letter', async () => {
  const home = await newHome();
  const mine = await claim(home);
  expect(await saysOnDisk(home, mine.file)).toBe(true);
  await writeFile(join(home, 'fleet.json'), JSON.stringify(mine.file));
  expect(await saysOnDisk(home, mine.file)).toBe(false);
  await expect.poll(() => saysOnDisk(home, mine.file)).toBe(true);
});

test('a file that cannot be written while the fleet runs is written once it can', async () => {
  const home = await newHome();
  const mine = await claim(home);
  // In place of a full disk: nothing can be written under this name.
  await mkdir(join(home, 'fleet.json.draft'));
  await mine.describe({ natsUrl: 'nats://127.0.0.1:2' });
  expect((await readFleetFile(home))?.natsUrl).toBe('nats://127.0.0.1:1');
  await rm(join(home, 'fleet.json.draft'), { recursive: true });
  await expect.poll(async () => (await readFleetFile(home))?.natsUrl).toBe('nats://127.0.0.1:2');
});

test('a fleet of another process namespace is named and distinguished from one that can be stopped here', async () => {
  const home = await newHome();
  await killedFleet(home, { ...ownIdentity(), namespace: 'pid:[1]' });
  const lock = await lockFile(lockPath(home));
  expect((await readFleetFile(home))?.supervisor.namespace).toBe('pid:[1]');
  await expect(claimHome(home, description)).rejects.toThrow(
    `runs in ${home} (process ${process.pid} of another process namespace, container or machine, since 2026-01-01 00:00:00 UTC); stop it there or use another --home`,
  );
  lock?.release();
  expect(await readFleetFile(home)).toBeUndefined();
});

test('a process that is started is in the file before it serves, and out of it when it has ended', async () => {
  const home = await newHome();
  const mine = await claim(home);
  const child = startSleep();
  mine.guardian.watch(child.pid);
  await expect.poll(async () => (await readRecordedFleet(home))?.processes).toEqual([child]);
  mine.guardian.forget(child.pid);
  await expect.poll(async () => (await readRecordedFleet(home))?.processes).toEqual([]);
});

test('Prometheus finds the services of a fleet, until it ends', async () => {
  const home = await newHome();
  const mine = await claim(home);
  await mine.describe({
    services: [
      { label: 'nats', service: 'nats', pid: 1, nats: '127.0.0.1:1' },
      { label: 'rollout-1', service: 'rollout', pid: 2, grpc: '127.0.0.1:2', metrics: '127.0.0.1:3' },
    ],
  });
  const targets = async () => JSON.parse(await readFile(join(home, 'prometheus.json'), 'utf8')) as unknown;
  expect(await targets()).toEqual([
    { targets: ['127.0.0.1:3'], labels: { instance: 'rollout-1', service: 'rollout' } },
  ]);
  await mine.release();
  await expect(targets()).rejects.toThrow('ENOENT');
});

test('Prometheus asks the services of a fleet with certificates over HTTPS', () => {
  const services = [{ label: 'rollout-1', service: 'rollout', metrics: '127.0.0.1:3' }];
  expect(JSON.parse(prometheusTargets(services, true))).toEqual([
    { targets: ['127.0.0.1:3'], labels: { __scheme__: 'https', instance: 'rollout-1', service: 'rollout' } },
  ]);
});

test('nothing is cleared in a home that has no fleet file', async () => {
  const home = await newHome();
  expect(await clearHome(home)).toBeUndefined();
  await (await claim(home)).release();
  expect(await clearHome(home)).toBeUndefined();
  await expect(readFile(join(home, 'fleet.json'))).rejects.toThrow('ENOENT');
});
