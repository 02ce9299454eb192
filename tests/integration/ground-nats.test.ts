import { createServer } from 'node:net';

import { nanos } from '@nats-io/transport-node';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { describe, expect, onTestFinished, test } from 'vitest';

import { RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import { sleep } from '#shared/async/sleep.ts';
import { CancelledError } from '#shared/errors.ts';
import { connectNats } from '#shared/nats/connect.ts';
import type { Nats } from '#shared/nats/connect.ts';
import { decodeMessage, getMessage, publishMessage, pullTasks, tailStream } from '#shared/nats/messages.ts';
import type { TaskMessage } from '#shared/nats/messages.ts';
import { startNatsServer } from '#shared/nats/nats-server.ts';
import { ensureStreams, maxTaskDeliveries, streams, subjects, workersConsumer } from '#shared/nats/streams.ts';
import { startTracing, withExtractedTrace, withSpan } from '#shared/telemetry/tracing.ts';

import { connectTo, silentLog, startNats, startServer, temporaryDirectory, until } from './ground-fixtures.ts';

const run = 'r1';

async function publishTask(nats: Nats, taskId: string) {
  return await publishMessage(nats, subjects.task(run, 'train'), RolloutTaskSchema, { taskId }, { messageId: taskId });
}

async function publishTasks(nats: Nats, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, index) => `task-${index}`);
  await Promise.all(ids.map((id) => publishTask(nats, id)));
  return ids;
}

const idOf = (task: { readonly data: Uint8Array }): string => decodeMessage(RolloutTaskSchema, task.data).taskId;

async function tasksLeft(nats: Nats): Promise<number> {
  return (await nats.jsm.streams.info(streams.tasks)).state.messages;
}

/** Pulls in the background; the test settles what it gets. */
function startPulling(nats: Nats, maxInFlight: number, handle: (task: TaskMessage) => void | Promise<void>) {
  const controller = new AbortController();
  const pulling = (async () => {
    for await (const task of pullTasks(nats, { signal: controller.signal, maxInFlight })) await handle(task);
  })();
  const stop = async (): Promise<void> => {
    controller.abort();
    await pulling;
  };
  onTestFinished(stop);
  return { stop };
}

/** So that a test need not wait 30 s for a silent worker's task. */
async function shortenAckWait(nats: Nats, milliseconds: number): Promise<void> {
  await nats.jsm.consumers.update(streams.tasks, workersConsumer, { ack_wait: nanos(milliseconds) });
}

describe('connecting', () => {
  const signal = new AbortController().signal;
  const connect = (url: string, connectTimeoutMs = 300) =>
    connectNats({ url, name: 'test', log: silentLog, signal, connectTimeoutMs });

  test('without a server the error names the address and what to do', async () => {
    await expect(connect('nats://127.0.0.1:1')).rejects.toMatchObject({
      name: 'TerminalError',
      code: 'failed_precondition',
      message: expect.stringMatching(/no NATS server answers at nats:\/\/127\.0\.0\.1:1 .*nats-server --jetstream/),
    });
  });

  test('a server without JetStream is refused with what to do', async () => {
    const server = await startServer({ jetStream: false });
    await expect(connect(server.url)).rejects.toThrow(/runs without JetStream; start it with --jetstream/);
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
    expect((await nats.jsm.consumers.info(streams.tasks, workersConsumer)).config.max_ack_pending).toBe(4096);
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

describe('tasks', () => {
  test('P1: each task is handed out once and gone after its ack', async () => {
    const { nats } = await startNats();
    const ids = await publishTasks(nats, 300);
    const seen: string[] = [];
    startPulling(nats, 32, async (task) => {
      seen.push(idOf(task));
      await task.ack();
    });
    await until(() => seen.length === ids.length, 'all tasks seen');
    await until(async () => (await tasksLeft(nats)) === 0, 'the queue is empty');
    expect(new Set(seen)).toEqual(new Set(ids));
    expect(seen.length).toBe(ids.length);
  });

  test('P6: no more tasks are held than asked for', async () => {
    const { nats } = await startNats();
    await publishTasks(nats, 20);
    const held: TaskMessage[] = [];
    startPulling(nats, 3, (task) => void held.push(task));
    await until(() => held.length === 3, 'three tasks held');
    await sleep(100);
    expect(held.length).toBe(3);
    expect((await nats.jsm.consumers.info(streams.tasks, workersConsumer)).num_ack_pending).toBe(3);
    await held[0]?.ack();
    await until(() => held.length === 4, 'a fourth after one is settled');
  });

  test('a nak brings the task back after its delay', async () => {
    const { nats } = await startNats();
    await publishTasks(nats, 1);
    const times: number[] = [];
    startPulling(nats, 4, async (task) => {
      times.push(performance.now());
      if (task.redeliveries === 0) await task.nak(300);
      else await task.ack();
    });
    await until(() => times.length === 2, 'a second delivery');
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(250);
    await until(async () => (await tasksLeft(nats)) === 0, 'the queue is empty');
  });

  test('P1: a silent worker loses its task to another, one that reports keeps it', async () => {
    const { nats, url } = await startNats();
    await shortenAckWait(nats, 400);
    await publishTasks(nats, 2);
    const other = await connectTo(url);
    const first = new Map<string, TaskMessage>();
    startPulling(nats, 2, (task) => void first.set(idOf(task), task));
    await until(() => first.size === 2, 'both tasks taken');
    const beat = setInterval(() => first.get('task-0')?.working(), 100);
    onTestFinished(() => clearInterval(beat));
    const second: string[] = [];
    startPulling(other, 2, async (task) => {
      second.push(idOf(task));
      expect(task.redeliveries).toBe(1);
      await task.ack();
    });
    await until(() => second.length > 0, 'a redelivery');
    await sleep(600);
    expect(second).toEqual(['task-1']);
    await first.get('task-0')?.ack();
    await until(async () => (await tasksLeft(nats)) === 0, 'the queue is empty');
  });

  test('a terminated task is among the dead letters with its reason', async () => {
    const { nats } = await startNats();
    await publishTasks(nats, 1);
    startPulling(nats, 1, (task) => task.term('environment `chess` is unknown'));
    await until(async () => (await tasksLeft(nats)) === 0, 'the queue is empty');
    const signal = new AbortController().signal;
    for await (const letter of tailStream(nats, streams.deadLetters, subjects.deadLetter(run), { signal })) {
      expect(idOf(letter)).toBe('task-0');
      expect(letter.headers.get('Gradus-Reason')).toBe('environment `chess` is unknown');
      expect(letter.headers.get('Gradus-Subject')).toBe(subjects.task(run, 'train'));
      break;
    }
  });

  test('P1: a task that is never settled ends in the dead letters, after a word to its owner', async () => {
    const { nats } = await startNats();
    await publishTasks(nats, 1);
    let deliveries = 0;
    const exhausted: string[] = [];
    const controller = new AbortController();
    const pulling = (async () => {
      const options = {
        signal: controller.signal,
        maxInFlight: 1,
        onExhausted: async (task: TaskMessage) => void exhausted.push(idOf(task)),
      };
      for await (const task of pullTasks(nats, options)) {
        deliveries += 1;
        await task.nak(0);
      }
    })();
    await until(async () => (await tasksLeft(nats)) === 0, 'the queue is empty');
    controller.abort();
    await pulling;
    expect(deliveries).toBe(maxTaskDeliveries);
    expect(exhausted).toEqual(['task-0']);
    expect((await nats.jsm.streams.info(streams.deadLetters)).state.messages).toBe(1);
  });

  test('tasks that were pulled but not handed out go back at once when the worker stops', async () => {
    const { nats, url } = await startNats();
    await publishTasks(nats, 10);
    const pulled = Promise.withResolvers<void>();
    const worker = startPulling(nats, 10, async (task) => {
      await until(
        async () => (await nats.jsm.consumers.info(streams.tasks, workersConsumer)).num_ack_pending === 10,
        'all pulled',
      );
      pulled.resolve();
      await task.ack();
    });
    await pulled.promise;
    await worker.stop();
    const others: string[] = [];
    startPulling(await connectTo(url), 10, async (task) => {
      others.push(idOf(task));
      await task.ack();
    });
    await until(async () => (await tasksLeft(nats)) === 0, 'the queue is empty');
    expect(others.length).toBeGreaterThan(0);
  });

  test('a task is settled once', async () => {
    const { nats } = await startNats();
    await publishTasks(nats, 1);
    const taken = Promise.withResolvers<TaskMessage>();
    startPulling(nats, 1, (task) => taken.resolve(task));
    const task = await taken.promise;
    await task.ack();
    await expect(task.nak(0)).rejects.toThrow(/settled once/);
  });

  test('a queue that is deleted under a worker is made again', async () => {
    const { nats } = await startNats();
    const seen: string[] = [];
    startPulling(nats, 4, async (task) => {
      seen.push(idOf(task));
      await task.ack();
    });
    await publishTask(nats, 'before');
    await until(() => seen.length === 1, 'the first task');
    await nats.jsm.streams.delete(streams.tasks);
    await until(async () => {
      const info = await nats.jsm.consumers.info(streams.tasks, workersConsumer).catch(() => undefined);
      return info !== undefined;
    }, 'the queue is there again');
    await publishTask(nats, 'after');
    await until(() => seen.length === 2, 'the second task');
    expect(seen).toEqual(['before', 'after']);
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

  test('a stream that does not exist is not found', async () => {
    const { nats } = await startNats();
    const signal = new AbortController().signal;
    const reading = tailStream(nats, 'NONE', 'none', { signal }).next();
    await expect(reading).rejects.toMatchObject({ name: 'TerminalError', code: 'not_found' });
  });
});
