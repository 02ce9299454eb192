import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { streams, subjects } from '#platform/nats/streams.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { createCoordinatorProcesses } from './process.ts';
import { queuedIds, recipeWith, rewarded } from '../stages/one-stage-run.ts';
import { isTraining, rewardOf } from './played-worker.ts';
import type { Worker } from './played-worker.ts';
import { batchesOf, courseOf, formedSteps, stepsOfTasks } from './run-course.ts';
import { until } from '../until.ts';

type Fleet = Awaited<ReturnType<typeof startCoordinatorFleet>>;
const processes = createCoordinatorProcesses();
let fleet: Fleet;
/** By the row and the sample alone; groups of every third row do not vary. */
const rewardedByRow: Worker = ({ row, sampleIndex }) => {
  const number = Number(/\d+$/.exec(row?.id ?? '')?.[0] ?? NaN);
  return { result: { reward: number % 3 === 0 ? 1 : (number + sampleIndex) % 2 } };
};
afterEach(async () => {
  processes.killAll();
  await fleet.stop();
});

describe('a synchronous run', () => {
  it('P8: has the course that it had before rollouts and training could overlap, fact by fact', async () => {
    fleet = await startCoordinatorFleet({ recipe: recipeWith(0), worker: rewardedByRow });
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    const ids = new Map<string, string>();
    // Ids are hashes of the recipe: they change with its form, which says nothing about the course.
    const course = JSON.stringify(await courseOf(fleet, 'run-a')).replaceAll(/[0-9a-f]{64}/g, (id) => {
      if (!ids.has(id)) ids.set(id, `#${ids.size}`);
      return ids.get(id) ?? id;
    });
    // Golden: the coordinator of commit 2ea1440, whose course was that of the sequential one.
    expect(createHash('sha256').update(course).digest('hex')).toBe(
      'b37dc7a50d3608529a2306342bcc35a2aeacb815efbd3dd2f49939a6eaf37d26',
    );
  });

  it('P5: opens no group of the next step before the one before is committed', async () => {
    fleet = await startCoordinatorFleet({ recipe: recipeWith(0), worker: rewarded });
    await fleet.submit('run-a');
    await fleet.ended('run-a');
    let committed = 0;
    for (const { fact } of await fleet.ledger('run-a')) {
      if (fact.case === 'stepCommitted') committed += 1;
      if (fact.case === 'groupOpened' && fact.value.purpose === Purpose.TRAIN) expect(fact.value.step).toBe(committed);
    }
  });
});

describe('an asynchronous run', () => {
  it('gathers the next batch to its end while a step is trained, and no further than staleness allows', async () => {
    fleet = await startCoordinatorFleet({ recipe: recipeWith(1), worker: rewarded });
    const opened: number[] = [];
    fleet.learner.beforeStep = async (step) => {
      // The gate opens when the next batch is decided: a coordinator that waits for training would never get there.
      if (step < 4) await until(async () => (await formedSteps(fleet, 'run-a')) > step);
      opened.push(Math.max(...(await stepsOfTasks(fleet, 'run-a')).values()));
    };
    await fleet.submit('run-a');
    const end = await fleet.ended('run-a');
    expect(end.message).toBe('');
    expect(end.state).toBe(RunState.FINISHED);
    // While stage step g is trained, g + 1 is gathered and g + 2 is not begun.
    expect(opened).toEqual([1, 2, 3, 3]);
    expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    expect(fleet.loaded.map(({ version }) => version)).toEqual([0, 1, 2, 3, 4]);
    const { rollouts } = await fleet.summary('run-a');
    expect(rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0, cancelled: 0 });
    const lines = (await fleet.metricsLines('run-a')).filter((line: { kind: string }) => line.kind === 'step');
    expect(lines).toHaveLength(4);
    for (const line of lines) {
      expect(line['time/learner_wait']).toBeGreaterThanOrEqual(0);
      expect(line['time/learner_wait']).toBeLessThanOrEqual(line['time/step']);
      expect(line['time/engine_wait']).toBeLessThanOrEqual(line['time/step']);
    }
  });

  it.each([1, 2])(
    'P5: with max_staleness %i trains on nothing older, reaches that bound, and discards nothing',
    async (staleness) => {
      const begun = new Map<string, number>();
      fleet = await startCoordinatorFleet({
        recipe: recipeWith(staleness, { until: '{ steps: 5 }' }),
        worker: (task, version) => {
          begun.set(task.taskId, version);
          return { result: { reward: rewardOf(task) } };
        },
      });
      fleet.learner.beforeStep = async (step) => {
        await until(async () => (await formedSteps(fleet, 'run-a')) >= Math.min(5, step + staleness));
      };
      await fleet.submit('run-a');
      expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
      const behind: number[] = [];
      for (const { fact } of await fleet.ledger('run-a')) {
        if (fact.case !== 'stepFormed') continue;
        for (const { taskId } of fact.value.samples) behind.push(fact.value.stageStep - (begun.get(taskId) ?? -1));
      }
      expect(Math.max(...behind)).toBe(staleness);
      expect(Math.min(...behind)).toBe(0);
      const lines = (await fleet.metricsLines('run-a')).filter((line: { kind: string }) => line.kind === 'step');
      expect(Math.max(...lines.map((line: Record<string, number>) => line['off_policy/max'] ?? 0))).toBe(staleness);
      expect(await fleet.coordinator.metrics.render()).not.toContain('reception="stale"');
      expect(fleet.seen.every((task) => task.attempt === 0)).toBe(true);
    },
  );

  it('P6: holds no more rollouts open than the fleet may, over all batches, and serves the oldest batch first', async () => {
    let answer = false;
    fleet = await startCoordinatorFleet({
      recipe: recipeWith(2).replace('max_open_rollouts: 36', 'max_open_rollouts: 16'),
      worker: (task) => (isTraining(task) && !answer ? { keep: true } : { result: { reward: rewardOf(task) } }),
    });
    await fleet.submit('run-a');
    await until(() => fleet.seen.filter(isTraining).length === 16);
    expect([...(await stepsOfTasks(fleet, 'run-a')).values()].filter((step) => step === 0)).toHaveLength(12);
    answer = true;
    await fleet.handBack();
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    // What was opened before each opening, less what was answered by then: the ledger closes a group later than its last answer.
    const answeredAt = await fleet.storedAt(streams.results, subjects.result('run-a'));
    const factsAt = await fleet.storedAt(streams.ledger, subjects.ledger('run-a'));
    let opened = 0;
    for (const [index, { fact }] of (await fleet.ledger('run-a')).entries()) {
      if (fact.case !== 'groupOpened') continue;
      opened += fact.value.taskIds.length;
      const answered = answeredAt.filter((atMs) => atMs <= (factsAt[index] ?? 0)).length;
      expect(opened - answered).toBeLessThanOrEqual(16);
    }
  });

  it('does not hold the next batch up for a straggler', async () => {
    let release = false;
    fleet = await startCoordinatorFleet({ recipe: recipeWith(1), worker: rewarded });
    const late = new Set<string>();
    fleet.setWorker((task) => {
      if (isTraining(task) && task.sampleIndex === 0 && late.size === 0) late.add(task.taskId);
      return late.has(task.taskId) && !release ? { keep: true } : { result: { reward: rewardOf(task) } };
    });
    await fleet.submit('run-a');
    const closed = async () => {
      const steps = await stepsOfTasks(fleet, 'run-a');
      return (await fleet.ledger('run-a')).flatMap(({ fact }) =>
        fact.case === 'groupClosed' ? [steps.get(fact.value.samples[0]?.taskId ?? '')] : [],
      );
    };
    // The whole second batch is in while the first one waits for one sample.
    await until(async () => (await closed()).filter((step) => step === 1).length >= 3);
    expect(await formedSteps(fleet, 'run-a')).toBe(0);
    release = true;
    await fleet.handBack();
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, duplicated: 0, cancelled: 0 });
  });

  it('P1, P8: killed with batches gathered, decided and trained at once, it goes on exactly', async () => {
    const recipe = recipeWith(2, { until: '{ steps: 6 }' });
    fleet = await startCoordinatorFleet({ recipe, worker: rewarded });
    await fleet.submit('run-a');
    await fleet.ended('run-a');
    const wanted = await batchesOf(fleet, 'run-a');
    await fleet.stop();

    fleet = await startCoordinatorFleet({ recipe, worker: rewarded });
    const first = await processes.spawn(fleet);
    let killed = false;
    fleet.setWorker((task) => {
      // Some of the fourth batch stays undelivered until the coordinator is dead.
      if (isTraining(task) && fleet.seen.filter(isTraining).length > 40 && !killed) return { keep: true };
      return { result: { reward: rewardOf(task) } };
    });
    fleet.learner.beforeStep = async (step) => {
      if (step !== 2 || killed) return;
      await until(
        async () => (await queuedIds(fleet.nats, 'run-a')).length > 0 && (await formedSteps(fleet, 'run-a')) >= 2,
      );
      first.child.kill('SIGKILL');
      killed = true;
    };
    await fleet.submit('run-a', first.client);
    await until(() => killed);
    first.client.close();
    await fleet.handBack();
    // The other coordinator of the fleet takes over.
    const end = await fleet.ended('run-a');
    expect(end.message).toBe('');
    expect(end.state).toBe(RunState.FINISHED);
    expect(await batchesOf(fleet, 'run-a')).toEqual(wanted);
    expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    const { rollouts } = await fleet.summary('run-a');
    expect(rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0, failedInfra: 0, cancelled: 0 });
    expect(rollouts.published).toBe(rollouts.completed);
    // Open groups were completed, not generated again.
    expect(fleet.seen.every((task) => task.attempt === 0)).toBe(true);
    const lines = await fleet.metricsLines('run-a');
    const steps = lines.filter((line: { kind: string }) => line.kind === 'step');
    expect(steps.map((line: { step: number }) => line.step)).toEqual([1, 2, 3, 4, 5, 6]);
    for (const line of steps) expect(line['groups/kept']).toBe(3);
  });
});
