import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import type { StageRole } from '#recipe/stage-roles.ts';
import { computeAdvantages, rewardsVary } from '#rewards/advantages.ts';
import { compose } from '#rewards/compose.ts';
import type { TrainingStage } from '#stages/kit/training-fields.ts';
import { isKept } from '../groups/gather-plan.ts';
import type { ClosedInit, OutcomeInit } from '../groups/gather-plan.ts';
import type { Group } from '../groups/group.ts';
import type { GroupScores } from '../groupwise/group-scores.ts';
import { outcomesByRole, rewardsByRole, type RoleOutcomeInit } from './role-outcomes.ts';

interface TrainedGroup {
  readonly stage: TrainingStage;
  readonly composition: Composition;
  /** Of the environment; absent or empty where it has none. */
  readonly roles?: readonly StageRole[];
}

/**
 * Reward, fate and advantages of a settled group, or of each role in it. Absent samples stay out of the baseline (P2): those that did not come back, those
 * without a component that the composition reads, and with it all others where no sample of the group was compared.
 */
export function closeTrainingGroup(
  { stage, composition, roles = [] }: TrainedGroup,
  group: Group,
  scores?: GroupScores,
): ClosedInit {
  const answered = group.samples.flatMap((sample) =>
    sample.result === undefined ? [] : [{ sample, result: sample.result }],
  );
  // A sample without another one to be compared with is given up; nobody failed.
  const alone = scores !== undefined && answered.length === 1;
  const composed = answered.flatMap(({ sample, result }) => {
    const { detectors, modelTokens } = result;
    const components = { ...result.components, ...scores?.components.get(sample.taskId) };
    const reward = compose(composition, { components, detectors, modelTokens });
    const parts = roles.length === 0 ? [] : rewardsByRole(roles, result);
    return reward === undefined || parts === undefined ? [] : [{ sample, reward, parts, components }];
  });
  // Without the judge only those are left that a gate has decided: no sample of what the policy does.
  const uncompared = scores?.components.size === 0 && composed.length < answered.length;
  const present = uncompared ? [] : composed;
  const rewards = present.map(({ reward }) => reward);
  const { dynamic_sampling_by: by } = stage.algorithm;
  // A component that was not given says nothing about whether it varies.
  const compared = by === undefined ? rewards : present.flatMap(({ components }) => components[by] ?? []);
  const byRole = outcomesByRole(
    stage,
    present.map(({ parts }) => parts),
  );
  const learns =
    roles.length === 0
      ? !stage.algorithm.dynamic_sampling || rewardsVary(compared, stage.algorithm.variance_tolerance)
      : byRole.flat().some(({ trained }) => trained);
  const fate = fateOf(stage, group.samples.length, rewards.length, learns);
  const rolesOf = new Map(present.map(({ sample }, index) => [sample.taskId, byRole[index] ?? []]));
  const advantages = new Map(
    computeAdvantages(rewards, stage.algorithm.advantage).map((advantage, index) => [
      present[index]?.sample.taskId,
      advantage,
    ]),
  );
  const rewardOf = new Map(present.map(({ sample, reward }) => [sample.taskId, reward]));
  const samples = group.samples.map((sample): OutcomeInit => {
    const reward = rewardOf.get(sample.taskId);
    const advantage = isKept(fate) && roles.length === 0 ? (advantages.get(sample.taskId) ?? 0) : 0;
    const branches = branchOutcomes(roles.length === 0 ? sample.result : undefined, reward, advantage);
    return {
      taskId: sample.taskId,
      ...(reward !== undefined && { reward }),
      advantage: branches.length === 0 ? advantage : 0,
      roles: [...branches, ...(rolesOf.get(sample.taskId) ?? [])].map((part) =>
        isKept(fate) ? part : { ...part, advantage: 0, trained: false },
      ),
      trajectorySequence: sample.result?.trajectorySequence ?? 0n,
      truncated: sample.result?.truncated ?? false,
      cancelled: sample.cancelled || (alone && reward === undefined && sample.result !== undefined),
      ...(scores !== undefined && { components: { ...scores.components.get(sample.taskId) } }),
    };
  });
  return {
    groupId: group.plan.groupId,
    fate,
    samples,
    ...(scores !== undefined && { judged: { ...scores.judged } }),
  };
}

/** Sequences that an agent began in one rollout are trained on with the whole of it. */
function branchOutcomes(
  result: RolloutResult | undefined,
  reward: number | undefined,
  advantage: number,
): RoleOutcomeInit[] {
  if (result === undefined || reward === undefined) return [];
  return result.roles.map(({ role, truncated }) => ({ role, reward, advantage, truncated, trained: true }));
}

/** `learns`: something in the group has a signal, or groups without one are trained on all the same. */
function fateOf({ groups }: TrainingStage, size: number, present: number, learns: boolean): GroupFate {
  const whole = present === size;
  if (!whole && (groups.on_deadline === 'drop' || present < groups.min_group)) return GroupFate.DROPPED;
  if (!learns) return GroupFate.NO_VARIANCE;
  return whole ? GroupFate.KEPT : GroupFate.SHRUNK;
}
