import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { publishMessage } from '#platform/nats/publish.ts';
import { subjects } from '#platform/nats/streams.ts';
import { startResultIntake } from '../../services/coordinator/groups/result-intake.ts';
import { silentLog, startNats, testRun } from '../platform/fixtures.ts';

const { signal } = new AbortController();

test('results are read when the last one was taken and anyone who took it asks for the next', async () => {
  const { nats } = await startNats();
  await using intake = startResultIntake(nats, testRun, silentLog);
  const publish = (taskId: string) =>
    publishMessage(nats, subjects.result(testRun), RolloutResultSchema, create(RolloutResultSchema, { taskId }), {
      messageId: taskId,
    });
  expect(await intake.next(1, signal)).toBeUndefined();
  expect(await intake.isRead(signal)).toBe(true);
  await publish('a');
  expect(await intake.next(100_000, signal)).toMatchObject({ taskId: 'a' });
  // It is on its way to anyone who asked.
  expect(await intake.isRead(signal)).toBe(false);
  expect(await intake.next(1, signal)).toBeUndefined();
  expect(await intake.isRead(signal)).toBe(true);
  await publish('b');
  expect(await intake.isRead(signal)).toBe(false);
});
