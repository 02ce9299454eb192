import { afterEach, describe, expect, it } from 'vitest';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { queuedIds, recipeWith, rewarded } from '../stages/one-stage-run.ts';
import { isTraining, rewardOf } from './played-worker.ts';
import { formedSteps, stepsOfTasks } from './run-course.ts';
import { until } from '../until.ts';

let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(() => fleet.stop());

describe('an asynchronous run', () => {
  it('ends on a budget: what is decided is trained on, what is gathered is cancelled and accounted', async () => {
    fleet = await startCoordinatorFleet({
      recipe: recipeWith(2, { until: '{ steps: 9, budget: { rollouts: 12 } }' }),
      worker: rewarded,
    });
    const kept = new Set<string>();
    let steps = new Map<string, number>();
    fleet.setWorker((task) => {
      if (!isTraining(task)) return { result: { reward: rewardOf(task) } };
      // The third batch never comes in: its tasks stay with the worker.
      const known = fleet.seen.filter(isTraining).length;
      if (known <= 24 || steps.get(task.taskId) === 0 || steps.get(task.taskId) === 1)
        return { result: { reward: task.sampleIndex % 2 } };
      kept.add(task.taskId);
      return { keep: true };
    });
    fleet.learner.beforeStep = async (step) => {
      if (step !== 1) return;
      await until(async () => (await formedSteps(fleet, 'run-a')) === 2 && kept.size > 0);
      steps = await stepsOfTasks(fleet, 'run-a');
    };
    await fleet.submit('run-a');
    const end = await fleet.ended('run-a');
    expect(end.message).toBe('');
    expect(end.state).toBe(RunState.FINISHED);
    expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1, 2]);
    const summary = await fleet.summary('run-a');
    expect(summary.stages[0]).toMatchObject({ steps: 2, finished: 'budget' });
    expect(summary.rollouts).toMatchObject({ lost: 0, open: 0, failedInfra: 0, cancelled: 12 });
    const surplus = (await fleet.ledger('run-a')).filter(
      ({ fact }) => fact.case === 'groupClosed' && fact.value.fate === GroupFate.SURPLUS,
    );
    expect(surplus).toHaveLength(3);
    expect(await queuedIds(fleet.nats, 'run-a')).toEqual([]);
  });

  it('ends when a batch has nothing to learn from: those before it are trained, those after it are cancelled', async () => {
    const flat = new Set<number>();
    fleet = await startCoordinatorFleet({ recipe: recipeWith(2), worker: rewarded });
    fleet.setWorker((task) => {
      if (!isTraining(task)) return { result: { reward: 1 } };
      // 12 tasks for each of the first two steps' own prompts; from the third step on, every answer is right.
      const first = fleet.seen.filter(isTraining).findIndex((seen) => seen.groupId === task.groupId);
      if (first >= 24) flat.add(first);
      return { result: { reward: first >= 24 ? 1 : task.sampleIndex % 2 } };
    });
    await fleet.submit('run-a');
    const end = await fleet.ended('run-a');
    expect(end.message).toBe('');
    expect(end.state).toBe(RunState.FINISHED);
    expect(flat.size).toBeGreaterThan(0);
    expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1, 2]);
    const summary = await fleet.summary('run-a');
    expect(summary.stages[0]).toMatchObject({ steps: 2, finished: 'nothing_to_learn', learnedSteps: 2 });
    expect(summary.rollouts).toMatchObject({ lost: 0, open: 0, failedInfra: 0 });
    expect(await queuedIds(fleet.nats, 'run-a')).toEqual([]);
  });

  it('stops after the step in progress, and goes on with what was gathered ahead', async () => {
    const recipe = recipeWith(2);
    fleet = await startCoordinatorFleet({ recipe, worker: rewarded });
    const { client } = fleet.coordinator;
    let stopping: Promise<unknown> | undefined;
    fleet.learner.beforeStep = async (step) => {
      if (step !== 1 || stopping !== undefined) return;
      await until(async () => (await formedSteps(fleet, 'run-a')) === 3);
      stopping = client.stopRun({ runId: 'run-a', now: false });
      await until(async () => (await client.getRun({ runId: 'run-a' })).message.startsWith('stopping'));
    };
    await fleet.submit('run-a');
    expect(await fleet.ended('run-a')).toMatchObject({ state: RunState.STOPPED, step: 1 });
    await stopping;
    expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1]);
    await fleet.submit('run-a', client, true);
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    expect(fleet.learner.applied.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0, cancelled: 0 });
    expect(fleet.seen.every((task) => task.attempt === 0)).toBe(true);
  });

  it('fails with the error of the learner although rollouts are under way, and can be resumed', async () => {
    fleet = await startCoordinatorFleet({ recipe: recipeWith(1), worker: rewarded });
    fleet.learner.failNext(new TerminalError('invalid_argument', 'the learner says no'), 'before');
    await fleet.submit('run-a');
    const end = await fleet.ended('run-a');
    expect(end.state).toBe(RunState.FAILED);
    expect(end.message).toContain('the learner says no');
    await fleet.submit('run-a', fleet.coordinator.client, true);
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0 });
  });
});
