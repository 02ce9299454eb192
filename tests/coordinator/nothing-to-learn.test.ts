import { afterEach, describe, expect, it } from 'vitest';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { isTraining, rewardOf } from './played-worker.ts';
import type { Worker } from './played-worker.ts';
import { oneStage, twoStages } from './two-stage-run.ts';

let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  await fleet.stop();
});

/** How the run ended, and its summary. */
async function played(recipe: string, worker: Worker) {
  fleet = await startCoordinatorFleet({ recipe, worker });
  await fleet.submit('run-a');
  return { end: await fleet.ended('run-a'), summary: await fleet.summary('run-a') };
}

describe('P9: a run without rewards that vary ends with nothing to learn', () => {
  it('when all are 0: with the shares, how rollouts ended, and one of them to look at', async () => {
    const { end, summary } = await played(oneStage, (task) =>
      task.sampleIndex === 0 ? { result: { reward: 0 } } : { result: { reward: 0, failure: FailureClass.TURN_LIMIT } },
    );
    expect(end).toMatchObject({
      state: RunState.NOTHING_TO_LEARN,
      message: expect.stringContaining('no step learned anything in one (0 steps, ended by nothing_to_learn)'),
    });
    expect(summary).toMatchObject({ state: 'nothing_to_learn', message: end.message, model: null, notRun: [] });
    const [stage] = summary.stages;
    // Three groups, and three times as many in their place: max_generation_batches is 4.
    expect(stage).toMatchObject({
      finished: 'nothing_to_learn',
      steps: 0,
      learnedSteps: 0,
      plannedSteps: 3,
      training: { groups: 12, flatGroups: 12, droppedGroups: 0, rewards: 48, zeroRewards: 48, absentRewards: 0 },
      warnings: [expect.stringMatching(/^ended after 0 of 3 steps: no group .* had rewards that vary/)],
    });
    expect(stage.training.endings).toEqual({ turn_limit: 36, answered: 12 });
    const typical = fleet.seen.find(({ taskId }) => taskId === stage.training.typicalRollout);
    expect(typical?.sampleIndex).toBeGreaterThan(0);
    // There is nothing to resume.
    await expect(fleet.submit('run-a', fleet.coordinator.client, true)).rejects.toThrow(
      /is over, with nothing to learn/,
    );
  });

  it('when all are equal, which are no zeros', async () => {
    const { end, summary } = await played(oneStage, () => ({ result: { reward: 0.5 } }));
    expect(end.state).toBe(RunState.NOTHING_TO_LEARN);
    expect(summary.stages[0].training).toMatchObject({ groups: 12, flatGroups: 12, rewards: 48, zeroRewards: 0 });
  });

  it('when groups that do not vary are trained on all the same: a step without an advantage has learned nothing', async () => {
    const { end, summary } = await played(
      oneStage.replace('until: { steps: 3 }', 'algorithm: { dynamic_sampling: false }\n    until: { steps: 3 }'),
      () => ({ result: { reward: 0.1 } }),
    );
    expect(end).toMatchObject({
      state: RunState.NOTHING_TO_LEARN,
      message: expect.stringContaining('in one (3 steps, ended by steps)'),
    });
    // The learner had a gradient all the same, as one of entropy is: the weights moved, and are there to look at.
    const model = expect.stringMatching(/final$/);
    expect(summary).toMatchObject({ steps: 3, model, stages: [{ steps: 3, learnedSteps: 0 }] });
    const steps = (await fleet.metricsLines('run-a')).filter(({ kind }) => kind === 'step');
    expect(steps.map(({ learned }) => learned)).toEqual([0, 0, 0]);
  });

  it('when the learner has no gradient, whatever the rewards', async () => {
    fleet = await startCoordinatorFleet({ recipe: oneStage });
    fleet.learner.moreMetrics = () => ({ grad_norm: 0 });
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.NOTHING_TO_LEARN);
    expect(await fleet.summary('run-a')).toMatchObject({ model: null, stages: [{ steps: 3, learnedSteps: 0 }] });
  });

  it('when that is so in one of its stages: the others are run, and are not named', async () => {
    const { end, summary } = await played(twoStages, (task) => ({
      result: { reward: task.stage === 'two' && isTraining(task) ? 1 : rewardOf(task) },
    }));
    expect(end.state).toBe(RunState.NOTHING_TO_LEARN);
    expect(end.message).toContain('in two (0 steps, ended by nothing_to_learn)');
    expect(summary.stages).toMatchObject([
      { name: 'one', steps: 3, learnedSteps: 3, finished: 'steps' },
      { name: 'two', steps: 0, learnedSteps: 0, finished: 'nothing_to_learn' },
    ]);
  });
});

it('P9: groups that were dropped, rewards that are absent and stages that were not reached are in the summary', async () => {
  const { end, summary } = await played(
    twoStages.replace(
      'until: { steps: 3 }',
      'groups: { on_deadline: drop, attempts: 1, max_infrastructure_failures: 1 }\n    until: { steps: 3 }\n    gate: { metric: sampled.exact_match, at_least: 2, on_fail: stop }',
    ),
    (task) =>
      isTraining(task) && task.sampleIndex === 3 && rewardOf(task) === 0
        ? { result: { failure: FailureClass.INTERNAL } }
        : { result: { reward: rewardOf(task) } },
  );
  expect(end.state).toBe(RunState.FAILED);
  expect(summary).toMatchObject({ state: 'failed', notRun: ['two'], stages: [{ gate: { passed: false } }] });
  const { droppedGroups, absentRewards, endings } = summary.stages[0].training;
  const failed = fleet.seen.filter((task) => isTraining(task) && task.sampleIndex === 3 && rewardOf(task) === 0);
  expect(failed.length).toBeGreaterThan(0);
  expect({ droppedGroups, absentRewards, internal: endings.internal }).toEqual({
    droppedGroups: failed.length,
    absentRewards: failed.length,
    internal: failed.length,
  });
});
