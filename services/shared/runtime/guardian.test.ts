import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { isAlive } from './is-alive.ts';

/** A supervisor in a process of its own: starts a guardian and a child, prints the child's id, and waits to be killed. */
const supervisor = `
  import { spawn } from 'node:child_process';
  import { startGuardian } from '${new URL('./guardian.ts', import.meta.url).href}';
  const guardian = startGuardian();
  const child = spawn('/bin/sh', ['-c', process.argv[1]], { detached: true, stdio: 'ignore' });
  guardian.watch(child.pid);
  console.log(child.pid);
  setInterval(() => {}, 1000);
`;

async function startSupervisor(childScript: string) {
  const parent = spawn(process.execPath, ['--input-type=module', '-e', supervisor, childScript], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(createInterface({ input: parent.stdout }), 'line');
  return { process: parent, childPid: Number(line) };
}

async function gone(pid: number): Promise<boolean> {
  const untilMs = performance.now() + 60_000;
  while (performance.now() < untilMs) {
    if (!isAlive(pid)) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
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
