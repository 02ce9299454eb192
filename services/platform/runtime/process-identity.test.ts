import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { identityOf, isStopped, ownIdentity, startTimeFromPs, stateOf } from './process-identity.ts';
import type { ProcessIdentity } from './process-identity.ts';

function startSleep() {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  const identity = identityOf(child.pid ?? 0);
  if (identity === undefined) throw new Error('sleep has no identity');
  return { child, identity };
}

test('a process is alive until it has ended', async () => {
  const { child, identity } = startSleep();
  expect(stateOf(identity)).toBe('alive');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(stateOf(identity)).toBe('gone');
});

test.runIf(process.platform === 'linux')('a process that was stopped is, until it is continued', async () => {
  const { child, identity } = startSleep();
  expect(isStopped(identity)).toBe(false);
  child.kill('SIGSTOP');
  await expect.poll(() => isStopped(identity), { timeout: 60_000 }).toBe(true);
  expect(isStopped({ ...identity, startTime: '1' })).toBe(false);
  child.kill('SIGCONT');
  await expect.poll(() => isStopped(identity), { timeout: 60_000 }).toBe(false);
});

test('another process with the id of one that ended is not it', () => {
  const { identity } = startSleep();
  const earlier: ProcessIdentity = { ...identity, startTime: `${Number(identity.startTime) - 1}` };
  expect(stateOf(earlier)).toBe('gone');
});

test('no process of an earlier boot lives', () => {
  expect(stateOf({ ...ownIdentity(), bootId: '00000000-0000-0000-0000-000000000000' })).toBe('gone');
});

test('a process of another namespace, or one whose start is not known, may live and is not taken for one of ours', () => {
  expect(stateOf({ ...ownIdentity(), namespace: 'pid:[1]' })).toBe('unknown');
  expect(stateOf({ ...ownIdentity(), startTime: '' })).toBe('unknown');
});

test('a process that has ended and that nobody waits for is gone', async () => {
  const parent = spawn('sh', ['-c', 'sleep 0 & echo $!; exec sleep 600'], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void parent.kill('SIGKILL'));
  const [data] = await once(parent.stdout, 'data');
  const pid = Number(String(data));
  await expect.poll(() => identityOf(pid)).toBeUndefined();
  expect(process.kill(pid, 0)).toBe(true);
});

test('the start of a process is reported by ps where there is no /proc', () => {
  const { child } = startSleep();
  const found = startTimeFromPs(child.pid ?? 0);
  expect(found).toMatch(/^[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d \d{4}$/);
  expect(startTimeFromPs(2 ** 22 + 1)).toBeUndefined();
});
