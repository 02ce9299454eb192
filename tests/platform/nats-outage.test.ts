import { describe, expect, onTestFinished, test } from 'vitest';

import { RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { decodeMessage, publishMessage, pullTasks, tailStream } from '#platform/nats/messages.ts';
import { ensureStreams, streams, subjects } from '#platform/nats/streams.ts';
import { watchQueue } from '#platform/nats/watch-queue.ts';

import { startNats } from './fixtures.ts';
import { until } from '../until.ts';

type Fixture = Awaited<ReturnType<typeof startNats>>;

const run = 'r1';
const idOf = (message: { readonly data: Uint8Array }): string => decodeMessage(RolloutTaskSchema, message.data).taskId;

function publish({ nats }: Fixture, subject: string, taskId: string, timeoutMs?: number) {
  return publishMessage(nats, subject, RolloutTaskSchema, { taskId }, { messageId: `${subject}.${taskId}`, timeoutMs });
}

/** Takes tasks and answers each with a result before it acks, as a rollout worker does. */
function startWorker(fixture: Fixture) {
  const { nats } = fixture;
  const controller = new AbortController();
  let taken = 0;
  const settling = new Set<Promise<void>>();
  const working = (async () => {
    for await (const task of pullTasks(nats, { signal: controller.signal, maxInFlight: 16 })) {
      taken += 1;
      const settled = (async () => {
        await publish(fixture, subjects.result(run), idOf(task));
        await task.ack();
      })();
      settling.add(settled);
      settled.then(
        () => settling.delete(settled),
        () => settling.delete(settled),
      );
    }
  })();
  onTestFinished(async () => {
    controller.abort();
    await working;
    await Promise.allSettled(settling);
  });
  return { taken: () => taken };
}

/** The connection has noticed that the server is gone. */
const linkDown = ({ nats }: Fixture) => until(() => nats.link.signal.aborted, 'the connection is down');

const resultReaders = async ({ nats }: Fixture) => (await nats.jsm.consumers.list(streams.results).next()) ?? [];

/** Consumers of results and of tasks whose reader waits for a message. */
async function consumersThatWait(fixture: Fixture): Promise<number> {
  const tasks = await fixture.nats.jsm.consumers.list(streams.tasks).next();
  return [...(await resultReaders(fixture)), ...tasks].filter(({ num_waiting: waiting }) => waiting > 0).length;
}

/** Follows the results as a coordinator does; gives the ids in order of arrival. */
function startTail({ nats }: Fixture) {
  const controller = new AbortController();
  const ids: string[] = [];
  const sequences: number[] = [];
  const tailing = (async () => {
    const options = { signal: controller.signal };
    for await (const message of tailStream(nats, streams.results, subjects.result(run), options)) {
      ids.push(idOf(message));
      sequences.push(message.sequence);
    }
  })();
  onTestFinished(async () => {
    controller.abort();
    await tailing;
  });
  return { ids, sequences };
}

/** Keeps the queue in order as the leader of the run does: a server that was killed may have forgotten what a consumer has pending. */
function startQueueWatch({ nats }: Fixture) {
  const controller = new AbortController();
  const watching = watchQueue(nats, {
    runId: run,
    isOver: () => false,
    confirmLead: () => Promise.resolve(),
    signal: controller.signal,
  });
  onTestFinished(async () => {
    controller.abort();
    await watching;
  });
}

describe('NATS becomes unavailable', () => {
  test('P1: killed and started again three times under load: every task has one result, in order', async () => {
    const fixture = await startNats();
    const tail = startTail(fixture);
    startWorker(fixture);
    startQueueWatch(fixture);
    const wanted = Array.from({ length: 600 }, (_, index) => `task-${index}`);
    const publishing = (async () => {
      for (const [index, id] of wanted.entries()) {
        // Never far ahead of the results, so that each restart finds work in every state.
        await until(() => index < tail.ids.length + 100, 'results of earlier tasks');
        await publish(fixture, subjects.task(run, 'train'), id);
      }
    })();
    for (const results of [50, 150, 300]) {
      await until(() => tail.ids.length >= results, `${results} results`);
      await fixture.kill();
      await linkDown(fixture);
      await fixture.restart();
    }
    await publishing;
    await until(() => tail.ids.length >= wanted.length, 'all results');
    expect(new Set(tail.ids)).toEqual(new Set(wanted));
    expect(tail.ids.length).toBe(wanted.length);
    expect(tail.sequences).toEqual(tail.sequences.toSorted((a, b) => a - b));
  });

  test('a publish that began while it was unavailable succeeds when it is back, and is stored once', async () => {
    const fixture = await startNats();
    await fixture.kill();
    const publishing = publish(fixture, subjects.result(run), 'a');
    await linkDown(fixture);
    await fixture.restart();
    await expect(publishing).resolves.toEqual({ sequence: 1, duplicate: false });
  });

  test('P3: a publish ends at its deadline when it stays unavailable, and says so', async () => {
    const fixture = await startNats();
    await fixture.kill();
    await expect(publish(fixture, subjects.result(run), 'a', 300)).rejects.toMatchObject({
      name: 'TransientError',
      code: 'unavailable',
      message: expect.stringMatching(/could not be stored on gradus\.results\.r1 within 300 ms/),
    });
  });

  test('P1: frozen for longer than a publish waits for its answer: nothing is lost or stored twice', async () => {
    const fixture = await startNats();
    const tail = startTail(fixture);
    await publish(fixture, subjects.result(run), 'before');
    await until(() => tail.ids.length === 1, 'the first result');
    await fixture.freeze();
    const publishing = publish(fixture, subjects.result(run), 'during', 30_000);
    // Time is the subject: longer than an attempt waits for its answer, 5 s.
    await sleep(6_000);
    fixture.thaw();
    await publishing;
    await publish(fixture, subjects.result(run), 'after');
    await until(() => tail.ids.includes('after'), 'the last result');
    expect(tail.ids).toEqual(['before', 'during', 'after']);
  });

  test('tail and worker that wait for work notice a restart and go on', async () => {
    const fixture = await startNats();
    const tail = startTail(fixture);
    const worker = startWorker(fixture);
    await until(async () => (await consumersThatWait(fixture)) >= 3, 'the tail and both lanes of the worker wait');
    await fixture.kill();
    await fixture.restart();
    await publish(fixture, subjects.task(run, 'eval'), 'later');
    await until(() => tail.ids.length === 1, 'the result');
    expect(worker.taken()).toBe(1);
  });

  test('the results stream is deleted and made again: the tail ends with a clear error', async () => {
    const fixture = await startNats();
    const controller = new AbortController();
    const reading = (async () => {
      const options = { signal: controller.signal };
      for await (const _ of tailStream(fixture.nats, streams.results, subjects.result(run), options));
    })();
    await until(async () => (await resultReaders(fixture)).length === 1, 'the tail reads');
    await fixture.nats.jsm.streams.delete(streams.results);
    await expect(reading).rejects.toMatchObject({ code: 'not_found', message: expect.stringContaining('RESULTS') });
    await ensureStreams(fixture.nats);
  });

  test('P10: a stream that somebody deletes and makes again at once ends its tail: at the old position nothing would come', async () => {
    const fixture = await startNats();
    let seen = 0;
    const { signal } = new AbortController();
    const reading = (async () => {
      for await (const _ of tailStream(fixture.nats, streams.results, subjects.result(run), { signal })) seen += 1;
    })();
    for (const id of ['one', 'two']) await publish(fixture, subjects.result(run), id);
    await until(() => seen === 2, 'both results');
    const { config } = await fixture.nats.jsm.streams.info(streams.results);
    const remove = fixture.nats.jsm.streams.delete(streams.results);
    await Promise.all([remove, fixture.nats.jsm.streams.add(config)]);
    await publish(fixture, subjects.result(run), 'three');
    await expect(reading).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringMatching(/stream RESULTS of .* was deleted and made again/),
    });
  });
});
