import { expect, test } from 'vitest';
import { GroupFate, LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { FailureClass, RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { publishMessage } from '#platform/nats/messages.ts';
import { subjects } from '#platform/nats/streams.ts';
import { createCountedRollouts } from '../../services/run/rollouts/counted-rollouts.ts';
import { findResult, readResults } from '../../services/run/rollouts/results.ts';
import { connectTo, startNats, startServer } from '../platform/fixtures.ts';

async function idsOf(nats: Nats, run: string | undefined): Promise<string[]> {
  const ids: string[] = [];
  for await (const { taskId } of readResults(nats, run, AbortSignal.timeout(60_000))) ids.push(taskId);
  return ids;
}

test('results are read up to the last one that is there, and one is found by the beginning of its id', async () => {
  const { nats } = await startNats();
  const signal = AbortSignal.timeout(60_000);
  for (const [runId, taskId] of [
    ['one', 'aa1'],
    ['two', 'ab1'],
    ['one', 'ab2'],
  ] as const) {
    await publishMessage(nats, subjects.result(runId), RolloutResultSchema, { runId, taskId }, { messageId: taskId });
  }
  expect(await idsOf(nats, 'one')).toEqual(['aa1', 'ab2']);
  expect(await idsOf(nats, undefined)).toEqual(['aa1', 'ab1', 'ab2']);
  expect((await findResult(nats, 'aa', undefined, signal)).taskId).toBe('aa1');
  await expect(findResult(nats, 'ab', undefined, signal)).rejects.toThrow("2 rollouts begin with 'ab' (ab1, ab2 ...)");
  await expect(findResult(nats, 'zz', 'one', signal)).rejects.toThrow("no rollout's id begins with 'zz'");
  await expect(idsOf(nats, 'three')).rejects.toThrow(
    "there is no rollout of a run three here; 'gradus status' lists the runs",
  );
});

test('P1, P2: of several results of a task the counted one has the reward, and is the one that its id stands for', async () => {
  const { nats } = await startNats();
  const signal = AbortSignal.timeout(60_000);
  const [runId, taskId, groupId] = ['one', 'ab1', 'g'];
  const attempts = [
    { attempt: 0, trajectorySequence: 0n, failure: FailureClass.POLICY_UNAVAILABLE },
    { attempt: 1, trajectorySequence: 7n },
    { attempt: 2, trajectorySequence: 9n },
  ];
  for (const attempt of attempts) {
    const messageId = `${taskId}:${attempt.attempt}`;
    await publishMessage(
      nats,
      subjects.result(runId),
      RolloutResultSchema,
      { runId, taskId, groupId, ...attempt },
      { messageId },
    );
  }
  const closed = { groupId, fate: GroupFate.KEPT, samples: [{ taskId, reward: 0.8, trajectorySequence: 7n }] };
  const fact = { case: 'groupClosed', value: closed } as const;
  await publishMessage(nats, subjects.ledger(runId), LedgerEntrySchema, { fact }, { messageId: 'closed' });
  const counted = createCountedRollouts(nats, signal);
  const rewards = [];
  for await (const result of readResults(nats, runId, signal)) rewards.push((await counted(result)).reward);
  expect(rewards).toEqual([{ kind: 'none' }, { kind: 'reward', reward: 0.8 }, { kind: 'none' }]);
  expect((await findResult(nats, 'ab', runId, signal)).attempt).toBe(1);
});

test('P9: a part of the results that was read in time is not taken for all of them', async () => {
  const { nats } = await startNats();
  const results = Array.from({ length: 3 }, (_, index) => ({ runId: 'one', taskId: `t${index}` }));
  for (const result of results)
    await publishMessage(nats, subjects.result('one'), RolloutResultSchema, result, { messageId: result.taskId });
  const late = new AbortController();
  const read = async (): Promise<void> => {
    for await (const _ of readResults(nats, 'one', late.signal)) late.abort();
  };
  await expect(read()).rejects.toThrow();
});

test('a store without streams, as after a start that failed, says that there is no rollout', async () => {
  const nats = await connectTo((await startServer()).url);
  await expect(idsOf(nats, undefined)).rejects.toMatchObject({ code: 'not_found', name: 'TerminalError' });
});
