import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { GroupClosedSchema, GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';
import { RolePartSchema, type RolloutResult, RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { StageRole } from '#recipe/stage-roles.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { stageComposition } from '#recipe/stage-scorers.ts';
import { idleRoleWarnings } from '#stages/rl/index.ts';
import { batchOfRl } from '#stages/rl/batch.ts';
import type { BatchSource } from '#stages/kit/learner-batch.ts';
import { goldRow } from '../../../tests/fixtures/gold-item.ts';
import type { Group } from '../groups/group.ts';
import { roleMetrics } from './role-metrics.ts';
import { closeTrainingGroup } from './close-training-group.ts';
import { resultProblem } from '../groups/result-problem.ts';

const stageWith = (algorithm = '{}') => {
  const [stage] = parseRecipe(
    `
name: test
model: { path: m }
data: { world: {} }
environment: { name: search }
stages:
  - name: one
    limits: { context_tokens: 100, max_new_tokens: 10 }
    rewards: { exact_match: 1, f1: 0 }
    algorithm: ${algorithm}
    batch: { groups: 2, group_size: 3 }
    until: { steps: 1 }
`,
    'test.yaml',
  ).stages;
  if (stage?.kind !== 'rl') throw new Error('no stage');
  return stage;
};
const composition = stageComposition({}, stageWith());
const ofF1 = create(CompositionSchema, { weights: [{ name: 'f1', weight: 1 }] });
const rolesWith = (proposerTrains = true): StageRole[] => [
  { name: 'proposer', train: proposerTrains, composition: ofF1 },
  { name: 'solver', train: true, composition },
];

/** What the proposer got, and the solver where it has spoken; undefined for a sample that infrastructure failed. */
type Played = { readonly proposer: number; readonly solver?: number } | undefined;

function resultOf(played: NonNullable<Played>, index: number): RolloutResult {
  return create(RolloutResultSchema, {
    taskId: `t${index}`,
    groupId: 'g',
    components: { exact_match: played.solver ?? 0, f1: played.proposer },
    modelTokens: 5,
    trajectorySequence: BigInt(index + 1),
    roles: [
      { role: 'proposer', turns: 1, modelTokens: 3 },
      ...(played.solver === undefined ? [] : [{ role: 'solver', turns: 1, modelTokens: 2, truncated: index === 1 }]),
    ],
  });
}

function settled(samples: readonly Played[]): Group {
  return {
    plan: {
      groupId: 'g',
      draw: 0,
      row: goldRow({ question: 'What?', answers: ['that'], hops: 2 }),
      taskIds: [],
      seed: 0n,
    },
    samples: samples.map((played, index) => ({
      taskId: `t${index}`,
      index,
      state: played === undefined ? 'absent' : 'done',
      attempt: 0,
      firstAttempt: 0,
      askAtMs: 0,
      publishedMs: 0,
      answeredMs: 0,
      sequence: undefined,
      cancelled: false,
      result: played && resultOf(played, index),
    })),
    openedAtMs: 0,
    deadlineAtMs: 1,
    settledAtMs: 1,
    scoringSeconds: undefined,
    fate: undefined,
    hurried: false,
  };
}

const close = (samples: readonly Played[], roles = rolesWith(), stage = stageWith()) =>
  create(GroupClosedSchema, closeTrainingGroup({ stage, composition, roles }, settled(samples)));
const advantagesOf = (closed: ReturnType<typeof close>, role: string) =>
  closed.samples.map(({ roles }) => roles.find((part) => part.role === role)?.advantage.toFixed(4));

describe('a group of an environment with roles', () => {
  it('has advantages of each role among the samples in which it has spoken', () => {
    const closed = close([{ proposer: 1, solver: 1 }, { proposer: 1, solver: 0 }, { proposer: 0 }]);
    expect(closed.fate).toBe(GroupFate.KEPT);
    // (1, 1, 0): mean 2/3, unbiased deviation 0.57735. (1, 0): mean 1/2, deviation 0.70711.
    expect(advantagesOf(closed, 'proposer')).toEqual(['0.5773', '0.5773', '-1.1547']);
    expect(advantagesOf(closed, 'solver')).toEqual(['0.7071', '-0.7071', undefined]);
    // The rollout's own reward is the stage's, and it has no advantage next to those of its roles.
    expect(closed.samples.map(({ reward, advantage }) => [reward, advantage])).toEqual([
      [1, 0],
      [0, 0],
      [0, 0],
    ]);
  });

  it('P2: leaves an absent sample out of the baseline of every role', () => {
    const closed = close([{ proposer: 1, solver: 1 }, undefined, { proposer: 0, solver: 0 }]);
    expect(closed.fate).toBe(GroupFate.SHRUNK);
    expect(closed.samples[1]).toMatchObject({ roles: [] });
    expect(closed.samples[1]?.reward).toBeUndefined();
    expect(advantagesOf(closed, 'solver')).toEqual(['0.7071', undefined, '-0.7071']);
  });

  it('trains on the roles that vary, and is set aside where no trained role does', () => {
    const flatProposer = close([
      { proposer: 1, solver: 1 },
      { proposer: 1, solver: 0 },
      { proposer: 1, solver: 0 },
    ]);
    expect(flatProposer.fate).toBe(GroupFate.KEPT);
    expect(flatProposer.samples.map(({ roles }) => roles.map(({ trained }) => trained))).toEqual([
      [false, true],
      [false, true],
      [false, true],
    ]);
    // Only the proposer's rewards vary, and it is not trained.
    const played = [{ proposer: 1, solver: 0 }, { proposer: 0, solver: 0 }, { proposer: 0 }];
    expect(close(played, rolesWith(false)).fate).toBe(GroupFate.NO_VARIANCE);
    expect(close(played, rolesWith(true)).fate).toBe(GroupFate.KEPT);
    // Without dynamic sampling a group is trained on all the same, unless nobody who is trained has spoken.
    const off = stageWith('{ dynamic_sampling: false }');
    expect(close(played, rolesWith(false), off).fate).toBe(GroupFate.KEPT);
    expect(close([{ proposer: 1 }, { proposer: 0 }, { proposer: 0 }], rolesWith(false), off).fate).toBe(
      GroupFate.NO_VARIANCE,
    );
  });

  it('P1: is one step of the trained sequences of all roles together, the same whenever it is sent', async () => {
    const played = [{ proposer: 1, solver: 1 }, { proposer: 1, solver: 0 }, { proposer: 0 }];
    const send = async (roles: StageRole[]) => {
      const read: string[] = [];
      const source = {
        trajectory: async ({ taskId }: { taskId: string }) => {
          read.push(taskId);
          return Buffer.from(taskId);
        },
      };
      const batch = await batchOfRl(
        stageWith(),
        { stageStep: 0, samples: close(played, roles).samples, groupSizes: [2, 1] },
        source as unknown as BatchSource,
      );
      const sent = [];
      for await (const sample of batch.samples()) sent.push(sample);
      expect(sent).toHaveLength(batch.count);
      return {
        read,
        sent: sent.map(({ trajectory, role, truncated, group }) => [
          Buffer.from(trajectory ?? []).toString(),
          role,
          truncated,
          group,
        ]),
      };
    };
    const { read, sent } = await send(rolesWith());
    expect(sent).toEqual([
      ['t0', 'proposer', false, 0],
      ['t0', 'solver', false, 0],
      ['t1', 'proposer', false, 0],
      ['t1', 'solver', true, 0],
      ['t2', 'proposer', false, 1],
    ]);
    expect(read).toEqual(['t0', 't1', 't2']);
    expect((await send(rolesWith())).sent).toEqual(sent);
    // Tokens of a role that is not trained carry no loss: they are never sent.
    expect((await send(rolesWith(false))).sent).toEqual([
      ['t0', 'solver', false, 0],
      ['t1', 'solver', true, 0],
    ]);
  });

  it('with gae has the rewards, and an objective with a critic', async () => {
    const stage = stageWith('{ advantage: gae, dynamic_sampling: false, gae_lambda: 0.9 }');
    const played = [{ proposer: 1, solver: 1 }, { proposer: 1, solver: 0 }, { proposer: 0 }];
    const source = { trajectory: async () => Buffer.alloc(0) };
    const { samples } = close(played, rolesWith(), stage);
    const batch = await batchOfRl(stage, { stageStep: 0, samples, groupSizes: [3] }, source as unknown as BatchSource);
    expect(batch.objective).toMatchObject({ name: 'actor_critic', options: { gae_lambda: 0.9, value_clip: 0.2 } });
    const advantages = [];
    for await (const { advantage } of batch.samples()) advantages.push(advantage);
    expect(advantages).toEqual([1, 1, 1, 0, 0]);
  });

  it('P9: is counted by role', () => {
    const played = [{ proposer: 1, solver: 1 }, { proposer: 1, solver: 0 }, { proposer: 0 }];
    const results = played.map(resultOf);
    expect(roleMetrics(rolesWith(false), [close(played, rolesWith(false))], results, 1e-6)).toMatchObject({
      'role/proposer/reward/mean': 2 / 3,
      'role/proposer/sequences': 3,
      'role/proposer/sequences_trained': 0,
      'role/proposer/frac_reward_zero_std': 0,
      'role/proposer/completion_length/mean': 3,
      'role/solver/reward/mean': 0.5,
      'role/solver/sequences': 2,
      'role/solver/sequences_trained': 2,
      'role/solver/truncated': 0.5,
    });
    expect(roleMetrics([], [close(played, [])], [], 1e-6)).toEqual({});
    // A solver that never came to speak: nothing of it but the count, and its stage has a warning.
    const mute = [{ proposer: 1 }, { proposer: 0 }];
    const step = { metrics: roleMetrics(rolesWith(), [close(mute)], mute.map(resultOf), 1e-6) };
    expect(step.metrics).toMatchObject({ roles_idle: 1, 'role/solver/sequences': 0, 'role/proposer/sequences': 2 });
    expect(step.metrics).not.toHaveProperty('role/solver/reward/mean');
    expect(idleRoleWarnings([step, step, { metrics: { roles_idle: 0 } }])).toEqual([
      expect.stringMatching(/^in 2 of 3 steps the batch had nothing of a role that is trained/),
    ]);
    expect(idleRoleWarnings([step, { metrics: {} }])).toEqual([]);
  });
});

describe('a result of an environment with roles', () => {
  const problem = (change: Partial<RolloutResult>) =>
    resultProblem({ ...resultOf({ proposer: 1, solver: 1 }, 0), ...change }, 'g', composition, rolesWith());

  it('P2: is refused where it cannot be what a worker plays', () => {
    expect(problem({})).toBeUndefined();
    expect(problem({ roles: [] })).toBe('roles: empty; the environment has proposer, solver');
    const [part] = resultOf({ proposer: 1 }, 0).roles;
    if (part === undefined) throw new Error('no role');
    expect(problem({ roles: [{ ...part, role: 'judge' }] })).toBe(
      'roles[0].role: "judge"; the environment has proposer, solver',
    );
    expect(problem({ roles: [part, part] })).toBe('roles[1].role: proposer is there twice');
    expect(problem({ components: { exact_match: 1 } })).toBe(
      'components."f1": missing; the reward of role proposer reads it',
    );
    expect(resultProblem(resultOf({ proposer: 1 }, 0), 'g', composition, [])).toBe(
      'roles[0].role: "proposer"; the environment has none',
    );
  });
});

it("branches of a rollout are trained on with the rollout's own advantage, each of them", () => {
  const group = settled([
    { proposer: 0, solver: 1 },
    { proposer: 0, solver: 0 },
  ]);
  for (const { result } of group.samples)
    if (result !== undefined)
      result.roles = ['', 'branch-1'].map((role) => create(RolePartSchema, { role, truncated: role === '' }));
  const { fate, samples } = create(GroupClosedSchema, closeTrainingGroup({ stage: stageWith(), composition }, group));
  expect(fate).toBe(GroupFate.KEPT);
  expect(samples.map(({ advantage }) => advantage)).toEqual([0, 0]);
  expect(
    samples.map(({ roles }) =>
      roles.map((part) => [part.role, part.advantage.toFixed(4), part.truncated, part.trained]),
    ),
  ).toEqual([
    [
      ['', '0.7071', true, true],
      ['branch-1', '0.7071', false, true],
    ],
    [
      ['', '-0.7071', true, true],
      ['branch-1', '-0.7071', false, true],
    ],
  ]);
});
