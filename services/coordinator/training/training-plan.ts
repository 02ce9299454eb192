import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import type { Row } from '#proto/rollout/v1/task_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { computeAdvantages, rewardsVary } from '#rewards/advantages.ts';
import { rolloutCapacity } from '../groups/capacity.ts';
import { groupIdOf, taskIdOf } from '#recipe/task-ids.ts';
import type { GroupKey } from '#recipe/task-ids.ts';
import { headlineOf } from '#recipe/environment-part.ts';
import { kindOf } from '#stages/kit/kinds.ts';
import type { AskedGroup } from '#stages/kit/step-prompts.ts';
import type { TrainingStage } from '#stages/kit/training-fields.ts';
import type { ScoreGroup } from '../groupwise/background-scoring.ts';
import { noRewardService } from '../groupwise/check-reward-service.ts';
import { compose } from '#rewards/compose.ts';
import type { GroupScores } from '../groupwise/group-scores.ts';
import type { StageState } from '#run/ledger/run-state.ts';
import { createFailureTally } from '../groups/failure-budget.ts';
import type { ClosedInit, GatherPlan, OutcomeInit } from '../groups/gather-plan.ts';
import type { Group, Sample } from '../groups/group-collector.ts';
import { outcomesByRole, rewardsByRole } from './role-outcomes.ts';
import { stageLabel } from '../run-context.ts';
import type { RunContext } from '../run-context.ts';
import { createTaskBuilder } from '#recipe/build-task.ts';
import { stageRoles, type StageRole } from '#recipe/stage-roles.ts';
import { groupwiseScorers, stageComposition } from '#recipe/stage-scorers.ts';

/** A stage that trains, and the rows that it may ask. */
export interface EnteredStage {
  readonly stage: TrainingStage;
  readonly entered: StageState;
  readonly rows: readonly Row[];
}

/**
 * The groups of a training step: its own prompts, and others in the place of groups that carry no signal, one for one and as soon as such a
 * group is closed, up to `max_generation_batches` (DAPO's dynamic sampling).
 */
export function trainingPlan(
  context: RunContext,
  { stage, entered, rows }: EnteredStage,
  stageStep: number,
): GatherPlan {
  const { recipe, recipeHash } = context;
  const { groups: batchGroups, group_size: groupSize, max_generation_batches: batches } = stage.batch;
  const label = stageLabel(stage, entered.round);
  const prompts = kindOf(stage).stepPrompts?.(stage, {
    label,
    seed: recipe.seed,
    stageStep,
    rows,
    progress: entered.progress,
    primaryMetric: headlineOf(recipe).primaryMetric,
  });
  if (prompts === undefined)
    throw new TerminalError(
      'internal',
      `stage ${stage.name}: kind ${stage.kind} trains on rollouts and draws no prompts`,
    );
  const most = batchGroups * batches;
  const composition = stageComposition(recipe, stage);
  const build = createTaskBuilder(recipe, stage);
  const roles = stageRoles(recipe, stage);

  return {
    stage,
    stageStep,
    purpose: Purpose.TRAIN,
    evaluation: '',
    policy: {
      onDeadline: stage.groups.on_deadline,
      attempts: stage.groups.attempts,
      groupMs: stage.deadlines.group_ms,
      version: entered.entryVersion + stageStep,
      maxStaleness: stage.max_staleness,
      retryAfterMs: 1000,
      stragglerAfter: stage.groups.straggler_after,
    },
    failures: createFailureTally(stage, stageStep),
    deadlineMs: stage.deadlines.step_ms,
    planAt(draw) {
      const drawn = prompts.at(draw);
      if (drawn === undefined) return undefined;
      const { row } = drawn;
      const key: GroupKey = {
        recipeHash,
        seed: recipe.seed,
        stage: label,
        step: stageStep,
        draw: drawn.name,
        questionId: row.id,
      };
      return {
        groupId: groupIdOf(key),
        draw,
        row,
        taskIds: Array.from({ length: groupSize }, (_, index) => taskIdOf(key, index)),
      };
    },
    wanted(groups, load) {
      const kept = groups.filter((group) => isKept(group.fate)).length;
      const running = groups.filter((group) => group.fate === undefined).length;
      const capacity = rolloutCapacity({
        maxConcurrent: Math.floor((recipe.fleet.max_open_rollouts - load.openSamples) / groupSize) + load.running,
        running: load.running,
        accepted: load.accepted,
        maxStaleness: stage.max_staleness,
        version: load.version,
        batch: batchGroups,
      });
      return Math.min(batchGroups - kept - running, capacity, most - groups.length);
    },
    task: (group: Group, sample: Sample) =>
      build({
        runId: context.runId,
        taskId: sample.taskId,
        groupId: group.plan.groupId,
        sampleIndex: sample.index,
        attempt: sample.attempt,
        row: group.plan.row,
        purpose: Purpose.TRAIN,
        mode: 'train',
      }),
    score: scorerOf(context, stage),
    close: (group, scores) => closeTrainingGroup({ stage, composition, roles }, group, scores),
    learned: (groups) => prompts.learned(groups.map(askedGroup)),
    progress(groups) {
      const size = groupSize * Math.max(batchGroups, groups.length);
      return {
        done: groups.reduce((sum, group) => sum + group.samples.filter((sample) => sample.state === 'done').length, 0),
        expected: size,
      };
    },
  };
}

function askedGroup({ plan: { row }, fate, samples }: Group): AskedGroup {
  const isOver = fate !== undefined && fate !== GroupFate.SURPLUS;
  const results = isOver ? samples.flatMap(({ result }) => (result === undefined ? [] : [result])) : [];
  return { row, isKept: isKept(fate), components: results.map(({ components }) => components) };
}

export function isKept(fate: GroupFate | undefined): boolean {
  return fate === GroupFate.KEPT || fate === GroupFate.SHRUNK;
}

function scorerOf({ recipe, groupwise }: RunContext, stage: TrainingStage): ScoreGroup | undefined {
  if (groupwiseScorers(recipe, stage).length === 0) return undefined;
  if (groupwise === undefined)
    throw new TerminalError('failed_precondition', noRewardService(`stage ${stage.name} compares samples`));
  return (group, signal, onWait) => groupwise.score(stage, group, signal, onWait);
}

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
    return reward === undefined || parts === undefined ? [] : [{ sample, reward, parts }];
  });
  // Without the judge only those are left that a gate has decided: no sample of what the policy does.
  const uncompared = scores?.components.size === 0 && composed.length < answered.length;
  const present = uncompared ? [] : composed;
  const rewards = present.map(({ reward }) => reward);
  const byRole = outcomesByRole(
    stage,
    present.map(({ parts }) => parts),
  );
  const learns =
    roles.length === 0
      ? !stage.algorithm.dynamic_sampling || rewardsVary(rewards, stage.algorithm.variance_tolerance)
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
    return {
      taskId: sample.taskId,
      ...(reward !== undefined && { reward }),
      advantage: isKept(fate) && roles.length === 0 ? (advantages.get(sample.taskId) ?? 0) : 0,
      roles: (rolesOf.get(sample.taskId) ?? []).map((part) =>
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

/** `learns`: something in the group has a signal, or groups without one are trained on all the same. */
function fateOf({ groups }: TrainingStage, size: number, present: number, learns: boolean): GroupFate {
  const whole = present === size;
  if (!whole && (groups.on_deadline === 'drop' || present < groups.min_group)) return GroupFate.DROPPED;
  if (!learns) return GroupFate.NO_VARIANCE;
  return whole ? GroupFate.KEPT : GroupFate.SHRUNK;
}
