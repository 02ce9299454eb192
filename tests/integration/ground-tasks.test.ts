import { nanos } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';

import { sleep } from '#shared/async/sleep.ts';
import type { Nats } from '#shared/nats/connect.ts';
import { pullTasks, tailStream } from '#shared/nats/messages.ts';
import type { TaskMessage } from '#shared/nats/messages.ts';
import { maxTaskDeliveries, streams, subjects, workersConsumer } from '#shared/nats/streams.ts';

import {
  connectTo,
  idOf,
  publishTask,
  publishTasks,
  startNats,
  tasksLeft,
  testRun as run,
  until,
} from './ground-fixtures.ts';

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
