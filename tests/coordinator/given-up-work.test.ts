import { afterEach, describe, expect, it } from 'vitest';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { queuedIds, recipeWith, rewarded } from '../stages/one-stage-run.ts';
import { isTraining, rewardOf } from './played-worker.ts';
import { until } from '../until.ts';

let fleet: Awaited<ReturnType<typeof startCoordinatorFleet>>;
afterEach(async () => {
  await fleet.stop();
});

describe('work that nobody waits for', () => {
  it('is cancelled when the run is stopped now, and asked again when it goes on', async () => {
    fleet = await startCoordinatorFleet({ recipe: recipeWith(1), worker: rewarded });
    const { client } = fleet.coordinator;
    let held = 0;
    fleet.setWorker((task) => {
      if (!isTraining(task)) return { result: { reward: rewardOf(task) } };
      held += 1;
      return { keep: true };
    });
    await fleet.submit('run-a');
    await until(() => held === 24);
    expect(await queuedIds(fleet.nats, 'run-a')).toHaveLength(24);
    await client.stopRun({ runId: 'run-a', now: true });
    expect(await queuedIds(fleet.nats, 'run-a')).toEqual([]);
    fleet.setWorker(rewarded);
    await fleet.submit('run-a', client, true);
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    const { rollouts } = await fleet.summary('run-a');
    expect(rollouts).toMatchObject({ lost: 0, duplicated: 0, open: 0, failedInfra: 0 });
    expect(rollouts.published).toBe(rollouts.completed);
  });

  it.each([
    ['shrink', GroupFate.SHRUNK],
    ['drop', GroupFate.DROPPED],
  ] as const)('leaves the queue when a group is given up under %s', async (policy, fate) => {
    const silent = (task: RolloutTask) => isTraining(task) && task.sampleIndex === 0 && task.row?.tags['hops'] === '2';
    fleet = await startCoordinatorFleet({
      recipe: recipeWith(0, { until: '{ steps: 1 }', groups: `{ on_deadline: ${policy} }` }).replace(
        'group_ms: 20000',
        'group_ms: 3000',
      ),
      worker: (task) => (silent(task) ? { keep: true } : { result: { reward: task.sampleIndex % 2 } }),
    });
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    expect(
      (await fleet.ledger('run-a')).some(({ fact }) => fact.case === 'groupClosed' && fact.value.fate === fate),
    ).toBe(true);
    const given = new Set(fleet.seen.filter(silent).map((task) => task.taskId)).size;
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, failedInfra: 0, cancelled: given });
    expect(await queuedIds(fleet.nats, 'run-a')).toEqual([]);
  });
});

describe('a straggler', () => {
  it('is asked for once more; the first answer counts, and the other attempt leaves the queue', async () => {
    const slow = new Set<string>();
    fleet = await startCoordinatorFleet({
      recipe: recipeWith(0, { until: '{ steps: 1 }', groups: '{ straggler_after: 2 }' }),
      worker: (task) => {
        if (isTraining(task) && slow.size === 0) slow.add(task.taskId);
        // On a busy machine others are asked for once more as well: one attempt of each answers.
        const answers = task.attempt === (slow.has(task.taskId) ? 1 : 0);
        return answers ? { result: { reward: rewardOf(task) } } : { keep: true };
      },
    });
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    expect(fleet.seen.filter((task) => slow.has(task.taskId)).map((task) => task.attempt)).toEqual([0, 1]);
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({
      lost: 0,
      duplicated: 0,
      redundant: 0,
      cancelled: 0,
    });
    expect(await queuedIds(fleet.nats, 'run-a')).toEqual([]);
  });
});

describe('budgets of failures', () => {
  it('P2: end the run with the classes that failed most, and it can be resumed when that is fixed', async () => {
    const failure = { failure: FailureClass.TOOL_UNAVAILABLE, reward: undefined } as const;
    fleet = await startCoordinatorFleet({
      recipe: recipeWith(1, { groups: '{ attempts: 1, max_infrastructure_failures: 0.25 }' }),
      worker: (task) => (isTraining(task) ? { result: failure } : rewarded(task, 0)),
    });
    await fleet.submit('run-a');
    const end = await fleet.ended('run-a');
    expect(end.state).toBe(RunState.FAILED);
    expect(end.message).toMatch(
      /^stage one, step \d: 4 of 12 rollouts failed by infrastructure, more than groups.max_infrastructure_failures \(0.25\) allows: tool_unavailable \d+; fix it, then resume the run$/,
    );
    expect(fleet.learner.applied).toEqual([]);
    fleet.setWorker(rewarded);
    await fleet.submit('run-a', fleet.coordinator.client, true);
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    for (const { fact } of await fleet.ledger('run-a'))
      if (fact.case === 'stepFormed') expect(fact.value.samples.every((s) => s.reward !== undefined)).toBe(true);
  });

  it('count faults of the policy too', async () => {
    fleet = await startCoordinatorFleet({
      recipe: recipeWith(0, { groups: '{ max_data_failures: 0.5 }' }),
      // Of both rewards in each group: no group is replaced before the budget is used up, whatever the ids of tasks.
      worker: (task) => ({
        result: { reward: task.sampleIndex % 2, failure: isTraining(task) ? FailureClass.MALFORMED_TURN : 0 },
      }),
    });
    await fleet.submit('run-a');
    const end = await fleet.ended('run-a');
    expect(end.state).toBe(RunState.FAILED);
    expect(end.message).toContain(
      '7 of 12 rollouts failed by data, more than groups.max_data_failures (0.5) allows: malformed_turn 7',
    );
  });
});
