/** A real NATS server with our streams, for one test. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { pino } from 'pino';
import { onTestFinished } from 'vitest';

import { sleep } from '#shared/async/sleep.ts';
import { connectNats } from '#shared/nats/connect.ts';
import type { Nats } from '#shared/nats/connect.ts';
import { startNatsServer } from '#shared/nats/nats-server.ts';
import type { NatsServer, NatsServerOptions } from '#shared/nats/nats-server.ts';
import { ensureStreams } from '#shared/nats/streams.ts';

export const silentLog = pino({ level: 'silent' });

export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'gradus-ground-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export async function startServer(options: Partial<NatsServerOptions> = {}): Promise<NatsServer> {
  const server = await startNatsServer({ storeDirectory: await temporaryDirectory(), ...options });
  onTestFinished(() => server.stop());
  return server;
}

export async function connectTo(url: string): Promise<Nats> {
  const nats = await connectNats({ url, name: 'test', log: silentLog, signal: new AbortController().signal });
  onTestFinished(() => nats.close());
  return nats;
}

/** One server, one connection, all streams; `kill` and `restart` keep port and store. */
export async function startNats() {
  const storeDirectory = await temporaryDirectory();
  let server = await startServer({ storeDirectory });
  const nats = await connectTo(server.url);
  await ensureStreams(nats);
  return {
    nats,
    url: server.url,
    /** SIGKILL. */
    async kill() {
      process.kill(server.pid, 'SIGKILL');
      await server.stop();
    },
    async restart() {
      server = await startServer({ storeDirectory, port: server.port });
    },
    freeze: () => process.kill(server.pid, 'SIGSTOP'),
    thaw: () => process.kill(server.pid, 'SIGCONT'),
  };
}

/** Polls until `condition` holds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const untilMs = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > untilMs) throw new Error(`never happened: ${what}`);
    await sleep(10);
  }
}
