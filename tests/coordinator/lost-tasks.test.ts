import { afterEach, describe, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { streams, subjects, workerConsumers } from '#platform/nats/streams.ts';
import { createWorkerStatuses } from '#platform/nats/worker-statuses.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { fourSteps } from '../stages/one-stage-run.ts';
import { isTraining, rewardOf } from './played-worker.ts';
import { until } from '../until.ts';

/** Group deadlines of an hour: only the watch can help. */
const recipe = fourSteps
  .replace('group_ms: 20000, step_ms: 40000', 'group_ms: 3600000, step_ms: 7200000')
  .replace('until: { steps: 4 }', 'groups: { attempts: 1 }\n    until: { steps: 1 }');

let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(() => fleet.stop());

const attemptsOf = (taskId: string) =>
  fleet.seen.filter((task) => task.taskId === taskId).map(({ attempt }) => attempt);

async function expectWhole(): Promise<void> {
  expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.FINISHED, step: 1, message: '' });
  const { rollouts } = await fleet.summary('run-a');
  expect(rollouts).toMatchObject({ lost: 0, duplicated: 0, failedInfra: 0, cancelled: 0, open: 0 });
  expect(rollouts.completed).toBe(rollouts.published);
}

describe("a task that is in nobody's hands", () => {
  it('P1, P10: because a worker took it and forgot it is handed out again, at no cost to its attempts', async () => {
    const forgotten = new Set<string>();
    fleet = await startCoordinatorFleet({ recipe });
    fleet.setWorker((task) => {
      if (isTraining(task) && forgotten.size < 2) forgotten.add(task.taskId);
      return forgotten.has(task.taskId) && task.attempt === 0 ? { copies: 0 } : { result: { reward: rewardOf(task) } };
    });
    await fleet.submit('run-a');
    await expectWhole();
    for (const taskId of forgotten) expect(attemptsOf(taskId)).toContain(1);
    expect(await fleet.coordinator.metrics.render()).toMatch(/gradus_tasks_lost_total [1-9]/);
  });

  it('P1, P10: because its message was deleted is handed out again', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    await fleet.pauseWorker();
    await fleet.submit('run-a');
    const queued = async () => (await fleet.nats.jsm.streams.info(streams.tasks)).state;
    await until(async () => (await queued()).messages >= 12);
    await fleet.nats.jsm.streams.deleteMessage(streams.tasks, (await queued()).last_seq);
    fleet.resumeWorker();
    await expectWhole();
    expect(await fleet.coordinator.metrics.render()).toMatch(/gradus_tasks_lost_total [1-9]/);
  });
});

describe('consumers that do not know what is queued', () => {
  it('P10: are made again by the leader, which counts that, and the run goes on', async () => {
    fleet = await startCoordinatorFleet({ recipe });
    await fleet.pauseWorker();
    await fleet.submit('run-a');
    const { consumers, streams: stored } = fleet.nats.jsm;
    await until(async () => (await stored.info(streams.tasks)).state.messages >= 12);
    for (const purpose of ['eval', 'train'] as const) {
      const { name, config } = await consumers.info(streams.tasks, workerConsumers[purpose]);
      await consumers.delete(streams.tasks, name);
      await consumers.add(streams.tasks, { ...config, filter_subject: subjects.task('nobody', purpose) });
    }
    const repaired = /gradus_consumers_repaired_total\{purpose="\w+"\} [1-9]/;
    await until(async () => repaired.test(await fleet.coordinator.metrics.render()));
    fleet.resumeWorker();
    await expectWhole();
  });
});

describe('a task that waits', () => {
  it('is left in the queue, and with a worker that says that it holds it, while one that is lost is handed out again', async () => {
    let taken = '';
    let lost = '';
    let hold = true;
    fleet = await startCoordinatorFleet({ recipe });
    fleet.setWorker((task) => {
      if (!isTraining(task) || !hold || (task.taskId === lost && task.attempt > 0))
        return { result: { reward: rewardOf(task) } };
      // Two leave the queue without a result, and a worker says that it holds one of them; all others are kept as by workers that
      // are busy.
      if (taken === '') taken = task.taskId;
      else if (lost === '') lost = task.taskId;
      return task.taskId === taken || task.taskId === lost ? { copies: 0 } : { keep: true };
    });
    const statuses = createWorkerStatuses(fleet.nats);
    const waits = () => [{ what: 'policy.generate', taskId: taken, waitedMs: 40_000n }];
    await fleet.submit('run-a');
    await until(() => taken !== '');
    await until(async () => {
      await statuses.put({ workerId: 'rollout-1', held: 1, limit: 8, waits: waits() });
      return attemptsOf(lost).length > 1;
    });
    // One look has judged all of them.
    const asked = fleet.seen.filter((task) => isTraining(task) && task.taskId !== lost);
    expect(asked).toHaveLength(11);
    hold = false;
    await statuses.remove('rollout-1');
    await fleet.handBack();
    await expectWhole();
  });
});
