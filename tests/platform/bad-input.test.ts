import { describe, expect, onTestFinished, test } from 'vitest';
import { create, toBinary } from '@bufbuild/protobuf';
import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { pullTasks } from '#platform/nats/messages.ts';
import { publishBytes } from '#platform/nats/publish.ts';
import { ensureStreams, streams, subjects } from '#platform/nats/streams.ts';
import { auditRun } from '../../services/coordinator/files/run-files.ts';
import { foldLedger } from '../../services/run/ledger/read-ledger.ts';
import { startResultIntake } from '../../services/coordinator/groups/result-intake.ts';
import { silentLog, startNats, testRun } from './fixtures.ts';

const { signal } = new AbortController();
const garbage = new Uint8Array([255, 255, 255]);
type Nats = Awaited<ReturnType<typeof startNats>>['nats'];

const put = (nats: Nats, subject: string, data: Uint8Array) =>
  publishBytes(nats, subject, data, { messageId: `${subject}.${Math.random()}` }, 'a test');
const resultOf = (taskId: string) =>
  toBinary(
    RolloutResultSchema,
    create(RolloutResultSchema, { runId: testRun, taskId, components: { exact_match: 1 } }),
  );

function startIntake(nats: Nats) {
  const intake = startResultIntake(nats, testRun, silentLog);
  onTestFinished(() => intake[Symbol.asyncDispose]());
  return intake;
}

describe('results', () => {
  test('P1: garbage among the results is skipped, when they are followed and when they are audited', async () => {
    const { nats } = await startNats();
    const opened = create(LedgerEntrySchema, {
      runId: testRun,
      fact: { case: 'groupOpened', value: { groupId: 'g', taskIds: ['a', 'b'] } },
    });
    await put(nats, subjects.ledger(testRun), toBinary(LedgerEntrySchema, opened));
    for (const data of [garbage, resultOf('a'), new Uint8Array(), resultOf('stranger'), resultOf('a').subarray(0, 4)]) {
      await put(nats, subjects.result(testRun), data);
    }
    await put(nats, subjects.result('another-run'), resultOf('b'));
    const intake = startIntake(nats);
    expect((await intake.next(10_000, signal))?.taskId).toBe('a');
    expect((await auditRun(nats, testRun, signal)).totals).toMatchObject({
      published: 2,
      completed: 1,
      open: 1,
      duplicated: 0,
    });
  });

  test('P1: results whose stream is deleted under a run are followed again in the one that is made', async () => {
    const { nats } = await startNats();
    const intake = startIntake(nats);
    await put(nats, subjects.result(testRun), resultOf('before'));
    expect((await intake.next(10_000, signal))?.taskId).toBe('before');
    await nats.jsm.streams.delete(streams.results);
    const next = intake.next(30_000, signal);
    await put(nats, subjects.result(testRun), resultOf('after'));
    expect((await next)?.taskId).toBe('after');
  });
});

test('a ledger with garbage is refused with the position of what is wrong and what to do', async () => {
  const { nats } = await startNats();
  await put(nats, subjects.ledger('other'), garbage);
  await put(nats, subjects.ledger(testRun), garbage);
  await expect(foldLedger(nats, testRun, signal)).rejects.toMatchObject({
    code: 'data_loss',
    message: expect.stringMatching(
      /ledger of run r1 is damaged: message 2 of LEDGER .* delete that message and resume/,
    ),
  });
});

describe('streams that are full', () => {
  /** Of the size of a large task; seven of them fit into 20,000 bytes with their headers. */
  const task = new Uint8Array(2_500);
  const fitting = 7;

  async function startSmallTasks() {
    const { nats } = await startNats();
    await ensureStreams(nats, { taskMaxBytes: 20_000 });
    const publish = (index: number, timeoutMs: number) =>
      publishBytes(nats, subjects.task(testRun, 'train'), task, { messageId: `task-${index}`, timeoutMs }, 'a task');
    const stored = async () => (await nats.jsm.streams.info(streams.tasks)).state;
    return { nats, publish, stored };
  }
  const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

  test('P6: publishers to a full queue wait, and each is stored once when workers have made room', async () => {
    const { nats, publish, stored } = await startSmallTasks();
    for (const index of upTo(fitting))
      expect(await publish(index, 10_000)).toEqual({ sequence: index + 1, duplicate: false });
    const waiting = upTo(2 * fitting).slice(fitting);
    let done = 0;
    const published = Promise.all(waiting.map((index) => publish(index, 60_000).finally(() => (done += 1))));
    // A publisher alone that gives up: by then the others were refused at least once too.
    await expect(publish(99, 500)).rejects.toMatchObject({ code: 'resource_exhausted' });
    expect(done).toBe(0);
    const taken: number[] = [];
    for await (const held of pullTasks(nats, { signal, maxInFlight: 1 })) {
      taken.push(held.sequence);
      await held.ack();
      if (taken.length === 2 * fitting) break;
    }
    expect(taken).toEqual(upTo(2 * fitting).map((index) => index + 1));
    expect((await published).map(({ duplicate }) => duplicate)).not.toContain(true);
    expect(new Set((await published).map(({ sequence }) => sequence))).toEqual(new Set(taken.slice(fitting)));
    expect((await stored()).messages).toBe(0);
  });

  test('P6: a queue that stays full is a clear error at the deadline, and nothing of it is lost', async () => {
    const { publish, stored } = await startSmallTasks();
    for (const index of upTo(fitting)) await publish(index, 10_000);
    const before = await stored();
    const refused = await Promise.allSettled([7, 8, 9].map((index) => publish(index, 500)));
    for (const outcome of refused) {
      expect(outcome).toMatchObject({
        reason: {
          name: 'TransientError',
          code: 'resource_exhausted',
          message: expect.stringMatching(
            /a task could not be stored on gradus\.tasks\.r1\.train within 500 ms.*no room.*max_bytes/,
          ),
        },
      });
    }
    expect(await stored()).toEqual(before);
    // Repeated, they are the same messages.
    expect(await publish(0, 10_000)).toEqual({ sequence: 1, duplicate: true });
  });

  test('P6: a queue is not made smaller than what it holds, which would drop its oldest tasks', async () => {
    const { nats, publish, stored } = await startSmallTasks();
    for (const index of upTo(3)) await publish(index, 10_000);
    await expect(ensureStreams(nats, { taskMaxBytes: 5_000 })).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(/stream TASKS holds \d+ bytes in 3 messages, and a size of 5000 bytes would drop/),
    });
    expect(await stored()).toMatchObject({ messages: 3, first_seq: 1 });
  });

  test('P6: every stream has a bound, and keeps one that somebody else has set', async () => {
    const { nats } = await startNats();
    await ensureStreams(nats, { resultMaxBytes: 1_000_000 });
    await ensureStreams(nats);
    for await (const { config } of nats.jsm.streams.list()) expect(config.max_bytes).toBeGreaterThan(0);
    expect((await nats.jsm.streams.info(streams.results)).config).toMatchObject({
      max_bytes: 1_000_000,
      discard: 'new',
    });
  });
});
