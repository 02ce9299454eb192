import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';

import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { describe, expect, onTestFinished, test } from 'vitest';

import { RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import { CancelledError } from '#platform/errors.ts';
import { connectNats } from '#platform/nats/connect.ts';
import { decodeMessage, getMessage, publishMessage, pullTasks, tailStream } from '#platform/nats/messages.ts';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import { ensureStreams, streams, subjects, workerConsumers } from '#platform/nats/streams.ts';
import { startTracing, withExtractedTrace, withSpan } from '#platform/telemetry/tracing.ts';

import {
  connectTo,
  idOf,
  publishTask,
  publishTasks,
  silentLog,
  startNats,
  startServer,
  tasksLeft,
  testRun as run,
} from './fixtures.ts';
import { until } from '../until.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

describe('connecting', () => {
  const signal = new AbortController().signal;
  const connect = (url: string, connectTimeoutMs = 60_000) =>
    connectNats({ url, name: 'test', log: silentLog, signal, connectTimeoutMs });

  test('without a server the error names the address and what to do', async () => {
    await expect(connect('nats://127.0.0.1:1', 300)).rejects.toMatchObject({
      name: 'TerminalError',
      code: 'failed_precondition',
      message: expect.stringMatching(/no NATS server answers at nats:\/\/127\.0\.0\.1:1 .*nats-server --jetstream/),
    });
  });

  test('a server without JetStream is refused with what to do', async () => {
    const server = await startServer({ jetStream: false });
    await expect(connect(server.url)).rejects.toThrow(/runs without JetStream; start it with --jetstream/);
  });

  test('an account that may not use JetStream is refused at once with what to do, and the service ends with 1', async () => {
    const server = await startServer({
      configLines: [
        'accounts { with: { jetstream: enabled, users: [{ user: w, password: w }] }, without: { users: [{ user: o, password: o }] } }',
        'no_auth_user: o',
      ],
    });
    const refusal = /does not let this account use JetStream .*enable JetStream for this account/;
    await expect(connect(server.url)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(refusal),
    });
    const flags = ['--nats-url', server.url, '--policy', '127.0.0.1:1', '--learner', '127.0.0.1:1'];
    const child = spawn(process.execPath, ['services/coordinator/main.ts', ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(stderr).toMatch(refusal);
    expect(stdout).toBe('');
  });

  test('a server that is too old is refused with both versions', async () => {
    const info = { server_id: 'x', version: '2.8.4', proto: 1, max_payload: 1_048_576, jetstream: true, headers: true };
    const old = createServer((socket) => {
      socket.write(`INFO ${JSON.stringify(info)}\r\n`);
      socket.on('data', (data) => {
        if (data.toString().includes('PING')) socket.write('PONG\r\n');
      });
      socket.on('error', () => {});
    });
    const port = await new Promise<number>((resolve) => {
      old.listen(0, '127.0.0.1', () => {
        const address = old.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    onTestFinished(() => void old.close());
    await expect(connect(`nats://127.0.0.1:${port}`)).rejects.toThrow(/version 2\.8\.4; 2\.9 or later is needed/);
  });

  test('a wait for the server ends with the signal', async () => {
    const controller = new AbortController();
    const connecting = connectNats({ url: 'nats://127.0.0.1:1', name: 't', log: silentLog, signal: controller.signal });
    controller.abort();
    await expect(connecting).rejects.toBeInstanceOf(CancelledError);
  });

  test('a server comes back with its streams, and a port in use is a clear error', async () => {
    const storeDirectory = await temporaryDirectory();
    const first = await startServer({ storeDirectory });
    const before = await connectTo(first.url);
    await ensureStreams(before);
    await publishTasks(before, 3);
    await expect(startNatsServer({ storeDirectory: await temporaryDirectory(), port: first.port })).rejects.toThrow(
      /cannot listen on port \d+: it is in use/,
    );
    await before.close();
    await first.stop();
    const second = await startServer({ storeDirectory });
    expect(await tasksLeft(await connectTo(second.url))).toBe(3);
  });
});

describe('streams', () => {
  test('they are created by many at once and again, without an error', async () => {
    const { nats, url } = await startNats();
    const other = await connectTo(url);
    await Promise.all([nats, other, nats, other].map((connection) => ensureStreams(connection)));
    const info = await nats.jsm.streams.info(streams.tasks);
    expect(info.config.retention).toBe('workqueue');
    expect((await nats.jsm.consumers.info(streams.tasks, workerConsumers.eval)).config.filter_subject).toBe(
      'gradus.tasks.*.eval',
    );
  });

  test('a run id that cannot be part of a subject is refused', () => {
    expect(() => subjects.result('a.b')).toThrow(/run id 'a\.b' cannot be part of a NATS subject/);
    expect(() => subjects.ledger('*')).toThrow(/run id/);
  });
});

describe('publishing', () => {
  test('P1: the same message id is stored once', async () => {
    const { nats } = await startNats();
    const first = await publishTask(nats, 'a');
    expect(first.duplicate).toBe(false);
    expect(await publishTask(nats, 'a')).toEqual({ sequence: first.sequence, duplicate: true });
    expect(await tasksLeft(nats)).toBe(1);
  });

  test('a message over max_payload is refused with its size and the limit', async () => {
    const server = await startServer({ maxPayloadBytes: 100_000 });
    const nats = await connectTo(server.url);
    await ensureStreams(nats);
    const message = { taskId: 'x'.repeat(100_000) };
    await expect(
      publishMessage(nats, subjects.task(run, 'train'), RolloutTaskSchema, message, { messageId: 'a' }),
    ).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/has 100004 bytes.*max_payload 100000/),
      details: { sizeBytes: 100_004, limitBytes: 100_000 },
    });
  });

  test('damaged bytes are data loss, and the error names the type', () => {
    const torn = new Uint8Array([0x0a, 0x20, 0x61]);
    expect(() => decodeMessage(RolloutTaskSchema, torn)).toThrow(/3 bytes are no gradus\.rollout\.v1\.RolloutTask/);
  });

  test('a message is read back by its sequence; one that is not there is not found', async () => {
    const { nats } = await startNats();
    const { sequence } = await publishTask(nats, 'a');
    const data = await getMessage(nats, streams.tasks, sequence);
    expect(decodeMessage(RolloutTaskSchema, data).taskId).toBe('a');
    await expect(getMessage(nats, streams.tasks, 99)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('P7: the trace of the publisher is in the headers', async () => {
    const exporter = new InMemorySpanExporter();
    const tracing = await startTracing({ service: 'test', processor: new SimpleSpanProcessor(exporter) });
    onTestFinished(() => tracing.shutdown());
    const { nats } = await startNats();
    await withSpan('publish', {}, () => publishTask(nats, 'a'));
    for await (const task of pullTasks(nats, { signal: new AbortController().signal, maxInFlight: 1 })) {
      await withExtractedTrace(task.headers, () => withSpan('work', {}, () => task.ack()));
      break;
    }
    const [published, worked] = exporter.getFinishedSpans();
    expect(worked?.spanContext().traceId).toBe(published?.spanContext().traceId);
  });
});

describe('tailing', () => {
  test('it begins where asked, filters by subject, and goes on with what is new', async () => {
    const { nats } = await startNats();
    const publish = (runId: string, taskId: string) =>
      publishMessage(nats, subjects.result(runId), RolloutTaskSchema, { taskId }, { messageId: `${runId}.${taskId}` });
    for (const id of ['1', '2', '3']) {
      await publish(run, id);
      await publish('other', id);
    }
    const controller = new AbortController();
    const seen: [number, string][] = [];
    const options = { startSequence: 3, signal: controller.signal };
    const tailing = (async () => {
      for await (const message of tailStream(nats, streams.results, subjects.result(run), options)) {
        seen.push([message.sequence, idOf(message)]);
      }
      return 'ended';
    })();
    await until(() => seen.length === 2, 'what is stored');
    await publish(run, '4');
    await until(() => seen.length === 3, 'what is new');
    controller.abort();
    expect(await tailing).toBe('ended');
    expect(seen).toEqual([
      [3, '2'],
      [5, '3'],
      [7, '4'],
    ]);
  });

  test('thousands of messages come in order', async () => {
    const { nats } = await startNats();
    const publish = (_: unknown, index: number) =>
      publishMessage(nats, subjects.ledger(run), RolloutTaskSchema, {}, { messageId: String(index) });
    await Promise.all(Array.from({ length: 2_000 }, publish));
    const sequences: number[] = [];
    const signal = new AbortController().signal;
    for await (const { sequence } of tailStream(nats, streams.ledger, subjects.ledger(run), { signal })) {
      sequences.push(sequence);
      if (sequences.length === 2_000) break;
    }
    expect(sequences).toEqual(Array.from({ length: 2_000 }, (_, index) => index + 1));
  });

  test('P10: a reader that breaks off with messages unread is done at once', async () => {
    const { nats } = await startNats();
    const publish = (_: unknown, index: number) =>
      publishMessage(nats, subjects.ledger(run), RolloutTaskSchema, {}, { messageId: String(index) });
    await Promise.all(Array.from({ length: 300 }, publish));
    const stop = new AbortController();
    const reading = tailStream(nats, streams.ledger, subjects.ledger(run), { signal: stop.signal });
    expect((await reading.next()).value?.sequence).toBe(1);
    // A whole batch comes: what feeds the reader waits until it has taken all of that.
    await until(async () => {
      const [consumer] = await nats.jsm.consumers.list(streams.ledger).next();
      return (consumer?.delivered.consumer_seq ?? 0) >= 256;
    }, 'a batch was sent');
    await nats.nc.flush();
    stop.abort();
    expect(await reading.return()).toMatchObject({ done: true });
  });

  test('a stream that does not exist is not found', async () => {
    const { nats } = await startNats();
    const signal = new AbortController().signal;
    const reading = tailStream(nats, 'NONE', 'none', { signal }).next();
    await expect(reading).rejects.toMatchObject({ name: 'TerminalError', code: 'not_found' });
  });
});
