import { afterEach, describe, expect, it } from 'vitest';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import type { RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import { startCoordinatorFleet } from './fleet.ts';
import { rewardOf } from './played-worker.ts';
import type { Worker } from './played-worker.ts';
import { oneStage, twoStages } from './two-stage-run.ts';

type Fleet = Awaited<ReturnType<typeof startCoordinatorFleet>>;
let fleet: Fleet;
afterEach(async () => {
  await fleet.stop();
});

const ledgerCases = async (runId: string, name: string) =>
  (await fleet.ledger(runId)).filter((entry) => entry.fact.case === name);
const fateCounts = async (runId: string) => {
  const counts = new Map<GroupFate, number>();
  for (const { fact } of await fleet.ledger(runId)) {
    if (fact.case === 'groupClosed') counts.set(fact.value.fate, (counts.get(fact.value.fate) ?? 0) + 1);
  }
  return counts;
};

describe('a run', () => {
  it('P1: walks its stages, evaluates around them, and accounts for every rollout', async () => {
    fleet = await startCoordinatorFleet({ recipe: twoStages });
    await fleet.submit('run-a');
    const end = await fleet.ended('run-a');
    expect(end.message).toBe('');
    expect(end.state).toBe(RunState.FINISHED);
    expect(end.policyVersion).toBe(5n);

    const summary = await fleet.summary('run-a');
    expect(summary).toMatchObject({ run: 'run-a', recipe: 'test', seed: 3, state: 'finished' });
    expect(
      summary.stages.map((stage: { name: string; steps: number; kind: string }) => [
        stage.name,
        stage.kind,
        stage.steps,
      ]),
    ).toEqual([
      ['one', 'rl', 3],
      ['two', 'rl', 2],
    ]);
    expect(summary.stages[0].reward).toHaveLength(3);
    expect(summary.stages[0].eval.before).toMatchObject({ n: 6, metrics: { tool_success: 1, format: 1 } });
    expect(summary.stages[1].eval.before).toEqual(summary.stages[0].eval.after);
    expect(summary.baseline).toMatchObject({ n: 6 });
    expect(summary.rollouts).toMatchObject({ lost: 0, duplicated: 0, failedInfra: 0, failedData: 0, open: 0 });
    expect(summary.rollouts.published).toBe(summary.rollouts.completed);
    expect(summary.rollouts.published).toBe(new Set(fleet.seen.map((task) => task.taskId)).size);
    expect(fleet.loaded.map(({ version }) => version)).toEqual([0, 1, 2, 3, 4, 5]);

    // Evaluations at equal limits and the same version are reused: three were run, not five.
    const evaluated = fleet.seen.filter((task) => task.purpose === Purpose.EVAL);
    expect(evaluated).toHaveLength(3 * 6 * 2);
    const lines = await fleet.metricsLines('run-a');
    expect(lines.map((line: { kind: string; name?: string }) => line.name ?? line.kind)).toEqual([
      'before',
      'baseline',
      'step',
      'step',
      'step',
      'after',
      'before',
      'step',
      'step',
      'after',
    ]);
    expect(lines[2]).toMatchObject({
      step: 1,
      version: 1,
      stage: 'one',
      clip_ratio: 0.02,
      entropy: 1.5,
      'off_policy/max': 0,
    });
  });

  it('trains on whole groups with variance, each sample with its own trajectory and advantage', async () => {
    fleet = await startCoordinatorFleet({ recipe: oneStage });
    await fleet.submit('run-a');
    await fleet.ended('run-a');
    const formed = await ledgerCases('run-a', 'stepFormed');
    expect(fleet.learner.applied).toHaveLength(3);
    for (const [index, { fact }] of formed.entries()) {
      if (fact.case !== 'stepFormed') continue;
      const applied = fleet.learner.applied[index];
      expect(applied?.payloads).toEqual(fact.value.samples.map((sample) => `tokens of ${sample.taskId}`));
      expect(applied?.advantages).toEqual(fact.value.samples.map((sample) => sample.advantage));
      expect(new Set(fact.value.samples.map((sample) => sample.reward)).size).toBe(2);
      expect(fact.value.samples).toHaveLength(12);
    }
    expect(fleet.learner.applied.map(({ header }) => header.checkpoint)).toEqual([false, true, true]);
  });

  it('P8: asks the same tasks for the same prompts in the same order, whatever comes back and in whatever order', async () => {
    const ordersOf = async (worker: Worker) => {
      fleet = await startCoordinatorFleet({ recipe: oneStage, worker });
      await fleet.submit('run-a');
      await fleet.ended('run-a');
      const opened = (await fleet.ledger('run-a')).flatMap(({ fact }) =>
        fact.case === 'groupOpened' && fact.value.purpose === Purpose.TRAIN ? [fact.value] : [],
      );
      await fleet.stop();
      return opened.map((group) => ({ step: group.step, question: group.questionId, tasks: group.taskIds }));
    };
    const plain = await ordersOf((task) => ({ result: { reward: rewardOf(task) } }));
    const again = await ordersOf((task) => ({
      result: { reward: rewardOf(task) },
      delay: Number.parseInt(task.taskId.slice(8, 10), 16) % 3,
    }));
    expect(again).toEqual(plain);
    // Other rewards lead to other replacements; the prompts of the steps stay.
    const other = await ordersOf((task) => ({ result: { reward: task.sampleIndex === 0 ? 1 : 0 } }));
    const ownPrompts = (groups: typeof plain) =>
      [0, 1, 2].flatMap((step) => groups.filter((group) => group.step === step).slice(0, 3));
    expect(ownPrompts(other)).toEqual(ownPrompts(plain));
  });
});

describe('results', () => {
  it('P1: count once when they come twice, late and in any order', async () => {
    fleet = await startCoordinatorFleet({
      recipe: oneStage,
      worker: (task) => ({
        result: { reward: rewardOf(task) },
        copies: 3,
        delay: Number.parseInt(task.taskId.slice(8, 10), 16) % 4,
      }),
    });
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    const { rollouts } = await fleet.summary('run-a');
    expect(rollouts).toMatchObject({ lost: 0, duplicated: 0 });
    expect(rollouts.published).toBe(rollouts.completed);
    expect(rollouts.redundant).toBeGreaterThan(0);
    const counted = new Set<string>();
    for (const { fact } of await fleet.ledger('run-a')) {
      if (fact.case !== 'stepFormed') continue;
      for (const { taskId } of fact.value.samples) {
        expect(counted.has(taskId)).toBe(false);
        counted.add(taskId);
      }
    }
  });

  it('P2: an infrastructure failure is asked again, and absent in the end, never a reward of 0', async () => {
    const failing = new Set<string>();
    const failure = { failure: FailureClass.POLICY_UNAVAILABLE, reward: undefined } as const;
    fleet = await startCoordinatorFleet({
      recipe: oneStage.replace('until: { steps: 3 }', 'until: { steps: 1 }\n    groups: { attempts: 2 }'),
      worker: (task) => {
        const isTrained = task.purpose === Purpose.TRAIN;
        if (isTrained && task.sampleIndex === 0) failing.add(task.taskId);
        const failsOnce = isTrained && task.sampleIndex === 1 && task.attempt === 0;
        return { result: failing.has(task.taskId) || failsOnce ? failure : { reward: rewardOf(task) } };
      },
    });
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    expect(failing.size).toBeGreaterThan(0);
    const { rollouts } = await fleet.summary('run-a');
    expect(rollouts).toMatchObject({ lost: 0, duplicated: 0, failedInfra: failing.size });
    expect(rollouts.completed).toBe(rollouts.published - failing.size);
    for (const { fact } of await fleet.ledger('run-a')) {
      if (fact.case !== 'groupClosed') continue;
      for (const sample of fact.value.samples) expect(sample.reward === undefined).toBe(failing.has(sample.taskId));
    }
    for (const task of fleet.seen) expect(task.attempt).toBeLessThan(2);
  });

  it('P3: a member that never answers is asked again at the deadline of its group', async () => {
    let swallowed = 0;
    fleet = await startCoordinatorFleet({
      recipe: oneStage
        .replace('group_ms: 20000', 'group_ms: 1200')
        .replace('until: { steps: 3 }', 'until: { steps: 1 }'),
      worker: (task) => {
        if (task.purpose === Purpose.TRAIN && task.attempt === 0 && task.sampleIndex === 1) {
          swallowed += 1;
          return { copies: 0 };
        }
        return { result: { reward: rewardOf(task) } };
      },
    });
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    expect(swallowed).toBeGreaterThan(0);
    expect((await fleet.summary('run-a')).rollouts).toMatchObject({ lost: 0, duplicated: 0, failedInfra: 0 });
  });

  it.each([
    ['shrink', GroupFate.SHRUNK],
    ['drop', GroupFate.DROPPED],
  ] as const)('P3: the policy %s ends the wait for a missing member', async (policy, fate) => {
    const silent = (task: RolloutTask) =>
      task.purpose === Purpose.TRAIN && task.sampleIndex === 0 && task.row?.tags['hops'] === '2';
    fleet = await startCoordinatorFleet({
      recipe: oneStage
        .replace('group_ms: 20000', 'group_ms: 3000')
        .replace('until: { steps: 3 }', `until: { steps: 1 }\n    groups: { on_deadline: ${policy} }`),
      worker: (task) => (silent(task) ? { copies: 0 } : { result: { reward: task.sampleIndex % 2 } }),
    });
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    expect((await fateCounts('run-a')).get(fate)).toBeGreaterThan(0);
    const { rollouts } = await fleet.summary('run-a');
    // Given up on purpose: neither lost nor failed.
    const given = new Set(fleet.seen.filter(silent).map((task) => task.taskId)).size;
    expect(rollouts).toMatchObject({ lost: 0, failedInfra: 0, cancelled: given });
  });

  it('P5: a sample of an older policy version is refused and asked again', async () => {
    fleet = await startCoordinatorFleet({
      recipe: oneStage,
      worker: (task, version) => {
        const stale = version > 0 && task.attempt === 0 && task.taskId.endsWith('0');
        const first = BigInt(stale ? version - 1 : version);
        return {
          result: {
            reward: rewardOf(task),
            versions: { $typeName: 'gradus.trajectory.v1.VersionSpan', first, last: BigInt(version) },
          },
        };
      },
    });
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    expect(fleet.seen.some((task) => task.attempt === 1)).toBe(true);
    for (const line of await fleet.metricsLines('run-a'))
      if (line.kind === 'step') expect(line['off_policy/max']).toBe(0);
    expect(await fleet.coordinator.metrics.render()).toMatch(
      /gradus_results_received_total\{reception="stale"\} [1-9]/,
    );
  });
});

describe('dynamic sampling', () => {
  it('replaces groups without variance, and ends with a smaller batch when the budget is used up', async () => {
    const flat = (task: RolloutTask) => task.row?.tags['hops'] !== '2';
    fleet = await startCoordinatorFleet({
      recipe: oneStage
        .replace('max_generation_batches: 4', 'max_generation_batches: 2')
        .replace('until: { steps: 3 }', 'until: { steps: 2 }'),
      worker: (task) => ({ result: { reward: flat(task) ? 1 : task.sampleIndex % 2 } }),
    });
    await fleet.submit('run-a');
    expect((await fleet.ended('run-a')).state).toBe(RunState.FINISHED);
    const fates = await fateCounts('run-a');
    expect(fates.get(GroupFate.NO_VARIANCE)).toBeGreaterThan(0);
    for (const { fact } of await ledgerCases('run-a', 'stepFormed')) {
      if (fact.case === 'stepFormed')
        expect(fact.value.samples.every((sample) => Math.abs(sample.advantage) > 0.5)).toBe(true);
    }
    const opened = (await fleet.metricsLines('run-a'))
      .filter((line: { kind: string }) => line.kind === 'step')
      .map((line: Record<string, number>) => line['groups/opened']);
    for (const count of opened) expect(count).toBeLessThanOrEqual(6);
  });

  it('ends the run with a clear error when that is what the recipe asks for', async () => {
    fleet = await startCoordinatorFleet({
      recipe: oneStage.replace('max_generation_batches: 4', 'max_generation_batches: 2, on_short: error'),
      worker: () => ({ result: { reward: 1 } }),
    });
    await fleet.submit('run-a');
    const end = await fleet.ended('run-a');
    expect(end.state).toBe(RunState.FAILED);
    expect(end.message).toContain('stage one, step 1: 0 of 3 groups can be trained on after 6 were tried');
  });
});
