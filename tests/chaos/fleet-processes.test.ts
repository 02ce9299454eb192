import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { childrenOf, guardianOf, isSameService, parseStat, processFacts, programOf } from './fleet-processes.ts';
import type { ProcessFacts } from './fleet-processes.ts';

const facts = (pid: number, command: string): ProcessFacts => ({
  pid,
  parent: 1,
  startedTicks: 1,
  command: command.split(' '),
});
const stat = (state: string) => `42 (a ) b) ${state} 7 ${'0 '.repeat(17)}99 0 0`;

test('a process is read from /proc whatever its name is, and a dead one is none', () => {
  expect(parseStat(stat('S'))).toEqual({ parent: 7, startedTicks: 99 });
  expect(parseStat(stat('Z'))).toBeUndefined();
  expect(parseStat('')).toBeUndefined();
});

test('the next process of a service has its program and its address, not those of a twin', () => {
  const dead = facts(1, 'node services/scripted/engine/main.ts --metrics 127.0.0.1:0');
  const next = facts(2, 'node services/scripted/engine/main.ts --metrics 127.0.0.1:5001');
  expect(isSameService(dead, next, '127.0.0.1:5001')).toBe(true);
  expect(isSameService(dead, next, '127.0.0.1:5002')).toBe(false);
  expect(isSameService(dead, facts(3, 'node services/reward/main.ts --metrics 127.0.0.1:5001'), '127.0.0.1:5001')).toBe(
    false,
  );
  const nats = facts(4, '/usr/sbin/nats-server --config a.conf');
  expect(isSameService(nats, { ...nats, pid: 5 }, undefined)).toBe(true);
  expect([dead, nats, facts(6, '/bin/sh guardian.sh')].map(programOf)).toEqual(['scripted-engine', 'nats-server', '']);
});

test('children and the guardian of a process are found', async () => {
  const child = spawn('/bin/sh', ['-c', 'read line', 'guardian.sh'], { stdio: ['pipe', 'ignore', 'ignore'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  await expect.poll(async () => (await guardianOf(process.pid))?.pid).toBe(pid);
  expect((await childrenOf(process.pid)).map((each) => each.pid)).toContain(pid);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await processFacts(pid)).toBeUndefined();
});
