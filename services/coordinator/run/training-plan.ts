import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { TerminalError } from '#shared/errors.ts';
import { computeAdvantages, rewardsVary } from '#shared/domain/advantages.ts';
import { rolloutCapacity } from '#shared/domain/capacity.ts';
import { overlongPenalty } from '#shared/domain/overlong.ts';
import { createPromptSampler } from '#shared/domain/prompt-sampler.ts';
import { groupIdOf, taskIdOf } from '#shared/domain/task-ids.ts';
import type { GroupKey } from '#shared/domain/task-ids.ts';
import type { StageRecipe } from '#shared/recipe/schema.ts';
import type { ScoreGroup } from '../groupwise/background-scoring.ts';
import { noRewardService } from '../groupwise/check-reward-service.ts';
import { finalReward, overlongShaping } from '#shared/recipe/final-reward.ts';
import type { GroupScores } from '../groupwise/group-scores.ts';
import type { StageState } from '../ledger/run-state.ts';
import { createFailureTally } from './failure-budget.ts';
import type { ClosedInit, GatherPlan, OutcomeInit } from './gathering.ts';
import type { Group, Sample } from './group-collector.ts';
import { stageLabel } from './run-context.ts';
import type { RunContext } from './run-context.ts';
import { buildTask } from '#shared/recipe/build-task.ts';
import { groupwiseScorers } from '#shared/recipe/stage-scorers.ts';

/**
 * The groups of a training step. Draws 0..groups-1 are the step's own prompts; the ones after replace groups that carry no
 * signal, one for one and as soon as such a group is closed, up to `max_generation_batches` (DAPO's dynamic sampling).
 */
export function trainingPlan(
  context: RunContext,
  stage: StageRecipe,
  entered: StageState,
  stageStep: number,
): GatherPlan {
  const { recipe, recipeHash } = context;
  const { groups: batchGroups, group_size: groupSize, max_generation_batches: batches } = stage.batch;
  const label = stageLabel(stage, entered.round);
  const pool = poolOf(context, stage);
  const sampler = (lane: 'prompt' | 'replacement') =>
    createPromptSampler({ seed: recipe.seed, stage: label, lane, size: pool.length });
  const prompts = sampler('prompt');
  const replacements = sampler('replacement');
  const most = batchGroups * batches;

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
      if (draw >= most) return undefined;
      const replaces = draw >= batchGroups;
      const number = replaces
        ? stageStep * (most - batchGroups) + (draw - batchGroups)
        : stageStep * batchGroups + draw;
      const question = pool[(replaces ? replacements : prompts).questionAt(number)];
      if (question === undefined) return undefined;
      const key: GroupKey = {
        recipeHash,
        seed: recipe.seed,
        stage: label,
        step: stageStep,
        draw: `${replaces ? 'replacement' : 'prompt'}:${number}`,
        questionId: question.id,
      };
      return {
        groupId: groupIdOf(key),
        draw,
        question,
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
      buildTask(recipe, {
        runId: context.runId,
        taskId: sample.taskId,
        groupId: group.plan.groupId,
        sampleIndex: sample.index,
        attempt: sample.attempt,
        question: group.plan.question,
        stage,
        purpose: Purpose.TRAIN,
        mode: 'train',
      }),
    score: scorerOf(context, stage),
    close: (group, scores) => closeTrainingGroup(stage, group, scores),
    progress(groups) {
      const size = groupSize * Math.max(batchGroups, groups.length);
      return {
        done: groups.reduce((sum, group) => sum + group.samples.filter((sample) => sample.state === 'done').length, 0),
        expected: size,
      };
    },
  };
}

export function isKept(fate: GroupFate | undefined): boolean {
  return fate === GroupFate.KEPT || fate === GroupFate.SHRUNK;
}

function scorerOf({ recipe, groupwise }: RunContext, stage: StageRecipe): ScoreGroup | undefined {
  if (groupwiseScorers(recipe, stage).length === 0) return undefined;
  if (groupwise === undefined)
    throw new TerminalError('failed_precondition', noRewardService(`stage ${stage.name} compares samples`));
  return (group, signal, onWait) => groupwise.score(stage, group, signal, onWait);
}

/**
 * Fate and advantages of a settled group. Absent samples stay out of the baseline (P2). With `scores` the reward is composed here,
 * and a sample that it cannot be composed of is absent; with it all others, where no sample of the group was compared.
 */
export function closeTrainingGroup(stage: StageRecipe, group: Group, scores?: GroupScores): ClosedInit {
  const answered = group.samples.flatMap((sample) =>
    sample.result?.reward === undefined ? [] : [{ sample, result: sample.result, reward: sample.result.reward }],
  );
  // A sample without another one to be compared with is given up; nobody failed.
  const alone = scores !== undefined && answered.length === 1;
  const composed = answered.flatMap(({ sample, result, reward: own }) => {
    const reward = scores === undefined ? own : finalReward(stage, result, scores.components.get(sample.taskId) ?? {});
    return reward === undefined ? [] : [{ sample, reward: shapedReward(stage, reward, result.modelTokens) }];
  });
  // Without the judge only those are left that a gate has decided: no sample of what the policy does.
  const uncompared = scores?.components.size === 0 && composed.length < answered.length;
  const present = uncompared ? [] : composed;
  const rewards = present.map(({ reward }) => reward);
  const fate = fateOf(stage, group.samples.length, rewards);
  const advantages = new Map(
    computeAdvantages(rewards, stage.algorithm.advantage).map((advantage, index) => [
      present[index]?.sample.taskId,
      advantage,
    ]),
  );
  const shaped = new Map(present.map(({ sample, reward }) => [sample.taskId, reward]));
  const samples = group.samples.map((sample): OutcomeInit => {
    const reward = shaped.get(sample.taskId);
    return {
      taskId: sample.taskId,
      ...(reward !== undefined && { reward }),
      advantage: isKept(fate) ? (advantages.get(sample.taskId) ?? 0) : 0,
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

function fateOf(stage: StageRecipe, size: number, rewards: readonly number[]): GroupFate {
  const whole = rewards.length === size;
  if (!whole && (stage.groups.on_deadline === 'drop' || rewards.length < stage.groups.min_group))
    return GroupFate.DROPPED;
  if (stage.algorithm.dynamic_sampling && !rewardsVary(rewards, stage.algorithm.variance_tolerance))
    return GroupFate.NO_VARIANCE;
  return whole ? GroupFate.KEPT : GroupFate.SHRUNK;
}

function shapedReward(stage: StageRecipe, reward: number, modelTokens: number): number {
  const shaping = overlongShaping(stage);
  return shaping === undefined ? reward : reward + overlongPenalty(modelTokens, shaping);
}

function poolOf(context: RunContext, stage: StageRecipe) {
  const { hops } = stage.prompts;
  const pool =
    hops === undefined
      ? context.questions.train
      : context.questions.train.filter((question) => hops.includes(question.hops));
  if (pool.length === 0) {
    throw new TerminalError(
      'invalid_argument',
      `stage ${stage.name}: prompts.hops ${JSON.stringify(hops)} leaves none of the ${context.questions.train.length} training questions`,
    );
  }
  return pool;
}
