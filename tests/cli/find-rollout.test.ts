import { expect, test } from 'vitest';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { publishMessage } from '#platform/nats/messages.ts';
import { subjects } from '#platform/nats/streams.ts';
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

test('a store without streams, as after a start that failed, says that there is no rollout', async () => {
  const nats = await connectTo((await startServer()).url);
  await expect(idsOf(nats, undefined)).rejects.toMatchObject({ code: 'not_found', name: 'TerminalError' });
});
