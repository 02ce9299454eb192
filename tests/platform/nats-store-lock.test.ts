import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { isLocked } from '#platform/runtime/file-lock.ts';
import { identityOf, isAlive } from '#platform/runtime/process-identity.ts';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

/** Starts a server, says its process id, and waits to be killed. No guardian: the server is left behind. */
const starter = `
  import { startNatsServer } from '${new URL('../../services/platform/nats/nats-server.ts', import.meta.url).href}';
  await startNatsServer({ storeDirectory: process.argv[1], onSpawned: (pid) => console.log(pid) });
  console.log('ready');
  setInterval(() => {}, 1000);
`;

async function startStarter(storeDirectory: string, until: 'spawned' | 'ready') {
  const child = spawn(process.execPath, ['--input-type=module', '-e', starter, storeDirectory], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const serverPid = Number((await lines.next()).value);
  onTestFinished(() => {
    child.kill('SIGKILL');
    if (isAlive(serverPid)) process.kill(serverPid, 'SIGKILL');
  });
  if (until === 'ready') await lines.next();
  return { process: child, serverPid };
}

async function killed(child: ReturnType<typeof spawn>): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('P1: a second server on a store that one uses is refused, with the process that uses it', async () => {
  const directory = await temporaryDirectory();
  await using first = await startNatsServer({ storeDirectory: directory });
  await expect(startNatsServer({ storeDirectory: directory })).rejects.toThrow(
    `another nats-server uses the store ${directory} (process ${first.pid}, started by process ${process.pid}); two on one store would damage it: stop that one first`,
  );
  expect(isAlive(first.pid)).toBe(true);
});

test('P1: a server whose starter was killed is ended before the next one opens the store', async () => {
  const directory = await temporaryDirectory();
  const orphaned = await startStarter(directory, 'ready');
  await killed(orphaned.process);
  expect(isAlive(orphaned.serverPid)).toBe(true);
  expect(await isLocked(join(directory, 'nats-server.lock'))).toBe(true);
  await using next = await startNatsServer({ storeDirectory: directory });
  expect(identityOf(orphaned.serverPid)).toBeUndefined();
  expect(next.pid).not.toBe(orphaned.serverPid);
  // It ended in order: its store was closed, not torn.
  expect(await readFile(next.logFile, 'utf8')).toContain('JetStream Shutdown');
});

test('P1: of two that open one store at the same moment one waits for the other or is refused', async () => {
  const directory = await temporaryDirectory();
  const outcomes = await Promise.allSettled([
    startNatsServer({ storeDirectory: directory }),
    startNatsServer({ storeDirectory: directory }),
  ]);
  const servers = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  for (const server of servers) await server.stop();
  expect(servers).toHaveLength(1);
});

test('a store is free as soon as its server has been killed', async () => {
  const directory = await temporaryDirectory();
  const orphaned = await startStarter(directory, 'spawned');
  process.kill(orphaned.serverPid, 'SIGKILL');
  await expect.poll(() => isLocked(join(directory, 'nats-server.lock'))).toBe(false);
  await using next = await startNatsServer({ storeDirectory: directory });
  expect(next.port).toBeGreaterThan(0);
});

test('a server that ends is waited for', async () => {
  const directory = await temporaryDirectory();
  const first = await startNatsServer({ storeDirectory: directory });
  const stopped = first.stop();
  await using next = await startNatsServer({ storeDirectory: directory });
  await stopped;
  expect(isAlive(next.pid)).toBe(true);
});
