import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { claimHome, readFleetFile, releaseHome } from './fleet-file.ts';
import type { FleetFile } from './fleet-file.ts';

const newHome = () => mkdtemp(join(tmpdir(), 'gradus-home-'));
const fleet = (pid: number): FleetFile => ({
  format: 1,
  pid,
  owner: 'up',
  recipePath: '/recipes/demo.yaml',
  key: 'k',
  paths: { model: '/m', train: '/t', held_out: '/h', corpus: '/c' },
  logs: '/logs',
  natsUrl: 'nats://127.0.0.1:1',
  services: [],
});
/** No process has this id: it is above the largest that Linux gives. */
const deadPid = 2 ** 22 + 1;

test('a home has one fleet at a time, and the second is told whose it is', async () => {
  const home = await newHome();
  await claimHome(home, fleet(process.pid));
  await expect(claimHome(home, fleet(process.pid))).rejects.toThrow(
    `a fleet for /recipes/demo.yaml runs in ${home} (process ${process.pid})`,
  );
  await releaseHome(home);
  await claimHome(home, fleet(process.pid));
});

test('the file of a supervisor that died is no fleet and is taken over', async () => {
  const home = await newHome();
  await writeFile(join(home, 'fleet.json'), JSON.stringify(fleet(deadPid)));
  expect(await readFleetFile(home)).toBeUndefined();
  await claimHome(home, fleet(process.pid));
  expect((await readFleetFile(home))?.pid).toBe(process.pid);
});

test('a damaged file is named, not ignored', async () => {
  const home = await newHome();
  await writeFile(join(home, 'fleet.json'), '{"format":2}');
  await expect(readFleetFile(home)).rejects.toThrow(`${join(home, 'fleet.json')} is not a fleet file of this version`);
  expect(await readFile(join(home, 'fleet.json'), 'utf8')).toBe('{"format":2}');
});
