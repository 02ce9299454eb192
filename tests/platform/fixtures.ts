/** A real NATS server with our streams, for one test. */

import { pino } from 'pino';
import { onTestFinished } from 'vitest';

import { RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { connectNats } from '#platform/nats/connect.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import type { NatsServer, NatsServerOptions } from '#platform/nats/nats-server.ts';
import { decodeMessage, publishMessage } from '#platform/nats/messages.ts';
import { ensureStreams, streams, subjects, workerConsumers } from '#platform/nats/streams.ts';
import { freeze } from '#platform/runtime/freeze-under-test.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';

export const silentLog = pino({ level: 'silent' });

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
  let server = await startServer({ storeDirectory, port: await lastingPort() });
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
    freeze: () => freeze(server.pid),
    thaw: () => process.kill(server.pid, 'SIGCONT'),
  };
}

export const testRun = 'r1';

export async function publishTask(nats: Nats, taskId: string, purpose: 'train' | 'eval' = 'train') {
  const subject = subjects.task(testRun, purpose);
  return await publishMessage(nats, subject, RolloutTaskSchema, { taskId, runId: testRun }, { messageId: taskId });
}

export async function publishTasks(nats: Nats, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, index) => `task-${index}`);
  await Promise.all(ids.map((id) => publishTask(nats, id)));
  return ids;
}

export const idOf = (task: { readonly data: Uint8Array }): string => decodeMessage(RolloutTaskSchema, task.data).taskId;

export async function tasksLeft(nats: Nats): Promise<number> {
  return (await nats.jsm.streams.info(streams.tasks)).state.messages;
}

/** A handler of what a test does not look at. */
export function unwanted(): never {
  throw new TerminalError('unimplemented', 'not part of this test');
}

/** Tasks that workers hold, of all purposes. */
export async function tasksHeld(nats: Nats): Promise<number> {
  const infos = await Promise.all(
    Object.values(workerConsumers).map((name) => nats.jsm.consumers.info(streams.tasks, name)),
  );
  return infos.reduce((sum, info) => sum + info.num_ack_pending, 0);
}
