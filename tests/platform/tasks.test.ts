import { AckPolicy } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';

import { sleep } from '#platform/async/sleep.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { pullTasks, tailStream } from '#platform/nats/messages.ts';
import type { TaskMessage } from '#platform/nats/messages.ts';
import { clearQueue } from '#platform/nats/queued-tasks.ts';
import {
  ensureStreams,
  maxTaskDeliveries,
  streams,
  subjects,
  taskHeartbeatMs,
  workerConsumers,
} from '#platform/nats/streams.ts';

import {
  connectTo,
  idOf,
  publishTask,
  publishTasks,
  startNats,
  tasksHeld,
  tasksLeft,
  testRun as run,
} from './fixtures.ts';
import { until } from '../until.ts';

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

  test('the queue of a run that is over is emptied, and that of another run stays', async () => {
    const { nats } = await startNats();
    await publishTasks(nats, 3);
    const other = subjects.task('another-run', 'eval');
    await nats.js.publish(other, 'a task');
    await clearQueue(nats, run, AbortSignal.timeout(60_000));
    expect(await tasksLeft(nats)).toBe(1);
    expect((await nats.jsm.direct.getMessage(streams.tasks, { last_by_subj: other }))?.subject).toBe(other);
  });

  test('P6: no more tasks are held than asked for', async () => {
    const { nats } = await startNats();
    await publishTasks(nats, 20);
    const held: TaskMessage[] = [];
    startPulling(nats, 3, (task) => void held.push(task));
    for (let settled = 0; settled < 20; settled += 1) {
      const taken = Math.min(20, settled + 3);
      await until(() => held.length >= taken, 'another one after one is settled');
      expect(await tasksHeld(nats)).toBe(taken - settled);
      expect(held.length).toBe(taken);
      await held[settled]?.ack();
    }
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

  test('P1: a worker that is gone loses its task to another, one that is at it keeps it', async () => {
    const { nats, url } = await startNats();
    const taken: string[] = [];
    const take = async (workers: Nats): Promise<void> => {
      const before = taken.length;
      startPulling(workers, 1, (task) => void taken.push(`${idOf(task)} ${task.redeliveries}`));
      await until(() => taken.length > before, 'a task taken');
    };
    await publishTask(nats, 'kept');
    await take(nats);
    await publishTask(nats, 'lost');
    for (let worker = 0; worker < 3; worker += 1) {
      const dying = await connectTo(url);
      await take(dying);
      await dying.nc.close();
    }
    // Each time the lease of `lost` had to end first, and that of `kept` never did.
    expect(taken).toEqual(['kept 0', 'lost 0', 'lost 1', 'lost 2']);
  });

  test('P1: a task that comes again to the worker that has it is not begun a second time, and is settled once for both', async () => {
    const { nats } = await startNats();
    await publishTask(nats, 'long');
    const taken: TaskMessage[] = [];
    startPulling(nats, 4, (task) => void taken.push(task));
    await until(() => taken.length === 1, 'the task is taken');
    const delivered = async () =>
      (await nats.jsm.consumers.info(streams.tasks, workerConsumers.train)).delivered.consumer_seq;
    // Shorter than the time between two signs of life: the lease ends as it does when the worker stalls.
    await nats.jsm.consumers.update(streams.tasks, workerConsumers.train, {
      ack_wait: nanos(Math.round(taskHeartbeatMs / 3)),
    });
    await until(async () => (await delivered()) > 1, 'a second delivery');
    await publishTask(nats, 'next');
    await until(() => taken.length === 2, 'the next task');
    expect(taken.map(idOf)).toEqual(['long', 'next']);
    for (const task of taken) await task.ack();
    expect(await tasksLeft(nats)).toBe(0);
    expect(await tasksHeld(nats)).toBe(0);
  });

  test('P1, P2: deaths of its workers and hand-backs are not failures of a task', async () => {
    const { nats, url } = await startNats();
    await publishTask(nats, 'task');
    const dying = await connectTo(url);
    const taken = Promise.withResolvers<void>();
    startPulling(dying, 1, () => taken.resolve());
    await taken.promise;
    await dying.nc.close();
    const seen: string[] = [];
    startPulling(nats, 1, async (task) => {
      seen.push(`handed out again ${task.redeliveries}, failed ${await task.failures()}`);
      if (task.redeliveries === 1) await task.handBack();
      else if (task.redeliveries === 2) await task.nak(0);
      else await task.ack();
    });
    await until(() => seen.length === 3, 'the task is taken for the fourth time');
    expect(seen).toEqual([
      'handed out again 1, failed 0',
      'handed out again 2, failed 0',
      'handed out again 3, failed 1',
    ]);
  });

  test('an evaluation that waits goes before training that waits longer', async () => {
    const { nats } = await startNats();
    await publishTasks(nats, 20);
    const taken: TaskMessage[] = [];
    startPulling(nats, 2, (task) => void taken.push(task));
    await until(() => taken.length === 2, 'both slots taken');
    for (let index = 0; index < 5; index += 1) await publishTask(nats, `eval-${index}`, 'eval');
    // The first of them rings: the worker knows that evaluation waits.
    await until(async () => (await tasksHeld(nats)) === 3, 'one evaluation is held beyond the slots');
    for (let index = 0; index < 7; index += 1) {
      await taken[index]?.ack();
      await until(() => taken.length === index + 3, 'a slot filled again');
    }
    const next = taken.slice(2).map(idOf);
    expect(next.slice(0, 5).every((id) => id.startsWith('eval'))).toBe(true);
  });

  test('both purposes reach a worker that waits, also one with a single slot', async () => {
    const { nats } = await startNats();
    const seen: string[] = [];
    startPulling(nats, 1, async (task) => {
      seen.push(idOf(task));
      await task.ack();
    });
    for (const [id, purpose] of [
      ['a', 'train'],
      ['b', 'eval'],
      ['c', 'train'],
      ['d', 'eval'],
    ] as const) {
      await publishTask(nats, id, purpose);
      await until(() => seen.at(-1) === id, `${id} is taken`);
    }
  });

  test('P1: tasks of the consumer of an earlier version are handed out by those of this one', async () => {
    const { nats } = await startNats();
    for (const name of Object.values(workerConsumers)) await nats.jsm.consumers.delete(streams.tasks, name);
    await nats.jsm.consumers.add(streams.tasks, { durable_name: 'workers', ack_policy: AckPolicy.Explicit });
    await publishTasks(nats, 2);
    const old = await nats.js.consumers.get(streams.tasks, 'workers');
    expect(await old.next()).not.toBeNull();
    await Promise.all([ensureStreams(nats), ensureStreams(nats)]);
    const seen: string[] = [];
    startPulling(nats, 4, async (task) => {
      seen.push(idOf(task));
      await task.ack();
    });
    await until(() => seen.length === 2, 'both tasks');
    expect(new Set(seen)).toEqual(new Set(['task-0', 'task-1']));
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
      await until(async () => (await tasksHeld(nats)) === 10, 'all pulled');
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

  test('a connection that is being closed is sent no sign of life, and the process lives', async () => {
    const { nats, freeze, thaw } = await startNats();
    await publishTasks(nats, 1);
    const held: TaskMessage[] = [];
    startPulling(nats, 1, (task) => void held.push(task));
    await until(() => held.length === 1, 'a task held');
    await freeze();
    const closing = nats.nc.drain();
    // The last step of a drain, which takes no time unless the server is slow: publishing throws.
    Reflect.set(Object(Reflect.get(nats.nc, 'protocol')), 'noMorePublishing', true);
    expect(() => nats.nc.publish('any')).toThrow('draining');
    // Time is the subject: several signs of life fall due meanwhile.
    await sleep(3 * taskHeartbeatMs);
    thaw();
    await closing;
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
      const info = await nats.jsm.consumers.info(streams.tasks, workerConsumers.train).catch(() => undefined);
      return info !== undefined;
    }, 'the queue is there again');
    await publishTask(nats, 'after');
    await until(() => seen.length === 2, 'the second task');
    expect(seen).toEqual(['before', 'after']);
  });
});
