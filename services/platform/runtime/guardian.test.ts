import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { until } from '../../../tests/until.ts';
import { isAlive } from './process-identity.ts';

const run = promisify(execFile);

/** A supervisor in a process of its own: starts a guardian and a child, prints the child's id, and waits to be killed. */
const supervisor = `
  import { spawn } from 'node:child_process';
  import { startGuardian } from '${new URL('./guardian.ts', import.meta.url).href}';
  const guardian = startGuardian();
  const child = spawn('/bin/sh', ['-c', process.argv[1]], { detached: true, stdio: 'ignore' });
  guardian.watch(child.pid);
  console.log(child.pid);
  process.on('SIGUSR2', () => console.log('here'));
  setInterval(() => {}, 1000);
`;

async function startSupervisor(childScript: string) {
  const parent = spawn(process.execPath, ['--input-type=module', '-e', supervisor, childScript], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: parent.stdout });
  const [line] = await once(lines, 'line');
  return { process: parent, lines, childPid: Number(line) };
}

async function gone(pid: number): Promise<boolean> {
  await until(() => !isAlive(pid), `process ${pid} is gone`);
  return true;
}

test('children end when their supervisor is killed with SIGKILL', async () => {
  const { process: parent, childPid } = await startSupervisor('sleep 600');
  expect(isAlive(childPid)).toBe(true);
  parent.kill('SIGKILL');
  expect(await gone(childPid)).toBe(true);
});

test('a child that ignores SIGTERM is killed after five seconds', async () => {
  const { process: parent, childPid } = await startSupervisor("trap '' TERM; while :; do sleep 1; done");
  parent.kill('SIGKILL');
  expect(await gone(childPid)).toBe(true);
});

test('a guardian that is killed is replaced by one that knows the same children', async () => {
  const { process: parent, lines, childPid } = await startSupervisor('sleep 600');
  const before = await guardianOf(parent.pid);
  process.kill(before, 'SIGKILL');
  await expect.poll(async () => await guardianOf(parent.pid).catch(() => before)).not.toBe(before);
  expect(isAlive(childPid)).toBe(true);
  // The new guardian is there before it has been given the children; the supervisor answers when it has done that.
  const here = once(lines, 'line');
  parent.kill('SIGUSR2');
  await here;
  parent.kill('SIGKILL');
  expect(await gone(childPid)).toBe(true);
});

/** The process id of the shell that runs guardian.sh for `parent`. */
async function guardianOf(parent: number | undefined): Promise<number> {
  const { stdout } = await run('ps', ['-eo', 'pid=,ppid=,args=']);
  const line = stdout.split('\n').find((each) => {
    const [, ppid] = each.trim().split(/\s+/);
    return ppid === `${parent}` && each.includes('guardian.sh');
  });
  if (line === undefined) throw new Error(`process ${parent} has no guardian`);
  return Number(line.trim().split(/\s+/)[0]);
}
