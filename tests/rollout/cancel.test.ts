import { describe, expect, it } from 'vitest';
import { create, toBinary } from '@bufbuild/protobuf';
import { RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import { cancelTasks } from '#platform/nats/cancel.ts';
import { streams, subjects } from '#platform/nats/streams.ts';
import { useRolloutFleet, type FleetOptions, type RolloutFleet } from './fleet.ts';
import { runId, taskOf } from './task.ts';

const start = useRolloutFleet();

const answer = '<answer> Verland Coast </answer>';
const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `task-${i}`);
const asTasks = (taskIds: readonly string[]) => taskIds.map((taskId) => ({ taskId }));

/** The one named `long-…` never end by themselves. */
const script: FleetOptions['script'] = ({ sessionId }) =>
  sessionId.startsWith('long') ? { text: answer, delayMs: 60_000 } : answer;

/** Every further task has its result: whatever was to happen to earlier ones has happened. */
async function expectToWork(running: RolloutFleet, taskId: string): Promise<void> {
  await running.publish(taskOf(taskId));
  expect(await running.resultOf(taskId)).toMatchObject({ reward: 1 });
}

async function published(running: RolloutFleet): Promise<{ results: number; trajectories: number; dead: number }> {
  const count = async (stream: string) => (await running.nats.jsm.streams.info(stream)).state.messages;
  return {
    results: await count(streams.results),
    trajectories: await count(streams.trajectories),
    dead: await count(streams.deadLetters),
  };
}

const consumerPending = async (running: RolloutFleet): Promise<number> => {
  let pending = 0;
  for await (const consumer of running.nats.jsm.consumers.list(streams.tasks)) pending += consumer.num_ack_pending;
  return pending;
};

describe('cancelled tasks', () => {
  it('P3: a running rollout stops, on its engine too, and leaves no result, no trajectory and no dead letter', async () => {
    const running = await start({ script });
    await running.publish(taskOf('long-1'));
    await running.publish(taskOf('long-2'));
    await expect.poll(() => running.engine.counts().running).toBe(2);
    expect(await cancelTasks(running.nats, runId, [{ taskId: 'long-1' }], 'the batch is full')).toBe(1);
    await expect.poll(() => running.engine.counts()).toMatchObject({ running: 1, cancelled: 1 });
    await expect
      .poll(() => running.workers[0]?.metrics.render())
      .toMatch(/gradus_rollouts_cancelled_total\{purpose="train"\} 1/);
    await expectToWork(running, 'after');
    expect(await published(running)).toEqual({ results: 1, trajectories: 1, dead: 0 });
    expect(await running.tasksLeft()).toBe(1);
    await expect.poll(() => consumerPending(running)).toBe(1);
  });

  it('P1: tasks that wait leave the queue and no worker ever sees them, found by their position or by their subject', async () => {
    const running = await start({ script, workers: 0 });
    const sequences = new Map<string, number>();
    for (const taskId of ids(20)) {
      await running.publish(taskOf(taskId));
      sequences.set(taskId, (await running.nats.jsm.streams.info(streams.tasks)).state.last_seq);
    }
    const byPosition = ids(5).map((taskId) => ({ taskId, sequence: sequences.get(taskId) }));
    expect(await cancelTasks(running.nats, runId, byPosition, 'drop')).toBe(5);
    expect(await cancelTasks(running.nats, runId, asTasks(ids(10)), 'drop')).toBe(5);
    await running.addWorker();
    await Promise.all(
      ids(20)
        .slice(10)
        .map((taskId) => running.resultOf(taskId)),
    );
    await expect.poll(() => running.tasksLeft()).toBe(0);
    expect(new Set(running.engine.generated.map(({ sessionId }) => sessionId))).toEqual(new Set(ids(20).slice(10)));
  });

  it('P1: a wrong position costs no other task its place', async () => {
    const running = await start({ script, workers: 0 });
    await running.publish(taskOf('mine'));
    await running.publish(taskOf('other'));
    expect(await cancelTasks(running.nats, runId, [{ taskId: 'mine', sequence: 2 }], 'drop')).toBe(0);
    expect(await cancelTasks(running.nats, 'run-2', [{ taskId: 'mine', sequence: 1 }], 'drop')).toBe(0);
    expect(await running.tasksLeft()).toBe(2);
  });

  it('is harmless for unknown tasks, twice, and before the task: one that is asked later runs', async () => {
    const running = await start({ script });
    expect(await cancelTasks(running.nats, runId, asTasks(['late', 'nobody']), 'drop')).toBe(0);
    await expectToWork(running, 'late');
    await running.publish(taskOf('long-1'));
    await expect.poll(() => running.engine.counts().running).toBe(1);
    expect(await cancelTasks(running.nats, runId, asTasks(['long-1']), 'drop')).toBe(1);
    expect(await cancelTasks(running.nats, runId, asTasks(['long-1']), 'drop')).toBe(0);
    await expect.poll(() => running.engine.counts().running).toBe(0);
    await expectToWork(running, 'after');
  });

  it('a task that is asked again after its cancellation is not hit by it', async () => {
    const running = await start({ script });
    await running.publish(taskOf('long-1'));
    await expect.poll(() => running.engine.counts().running).toBe(1);
    await cancelTasks(running.nats, runId, asTasks(['long-1']), 'deadline');
    await running.publish(taskOf('long-1', { attempt: 1 }));
    await expect.poll(() => running.engine.generated.length).toBe(2);
    await expectToWork(running, 'after');
    expect(running.engine.counts().running).toBe(1);
  });

  it('says more ids than fit a message in several, and reaches all of them', async () => {
    const running = await start({ script });
    await running.publish(taskOf('long-1'));
    await expect.poll(() => running.engine.counts().running).toBe(1);
    const many = ids(2500).map((taskId) => ({ taskId, sequence: 1 }));
    await cancelTasks(running.nats, runId, [...many, { taskId: 'long-1' }], 'x'.repeat(10_000));
    await expect.poll(() => running.engine.counts().running).toBe(0);
  });

  it('ignores words that are no cancellation, and does not stumble over tasks that are none', async () => {
    const running = await start({ script, workers: 0 });
    await running.publishRaw(new Uint8Array([255, 255, 1]));
    await running.publishRaw(
      toBinary(RolloutTaskSchema, create(RolloutTaskSchema, { runId: 'else', taskId: 'long-1' })),
    );
    await running.publish(taskOf('long-1'));
    const odd = [{ taskId: 'x', sequence: 1 }, { taskId: 'y' }];
    expect(await cancelTasks(running.nats, runId, odd, 'drop')).toBe(0);
    await running.addWorker();
    await expect.poll(() => running.engine.counts().running).toBe(1);
    running.nats.nc.publish(subjects.cancel(runId), new Uint8Array([255, 255, 255]));
    expect(await cancelTasks(running.nats, runId, asTasks(['long-1']), 'drop')).toBe(1);
    await expect.poll(() => running.engine.counts().running).toBe(0);
  });
});
