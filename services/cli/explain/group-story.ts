import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import type { GroupJudged, GroupOpened, LedgerEntry, SampleOutcome } from '#proto/coordinator/v1/ledger_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { meanOf, standardDeviation, type AdvantageMethod } from '#shared/domain/advantages.ts';
import { overlongPenalty, type OverlongShaping } from '#shared/domain/overlong.ts';
import { finalReward, overlongShaping } from '#shared/recipe/final-reward.ts';
import { parseResolvedRecipe } from '#shared/recipe/resolve-recipe.ts';
import type { Recipe, StageRecipe } from '#shared/recipe/schema.ts';
import { groupwiseScorers } from '#shared/recipe/stage-scorers.ts';
import type { CompositionStep } from '#shared/rewards/compose.ts';

/** What a run's ledger says of a rollout's group. */
export interface GroupStory {
  readonly opened: GroupOpened;
  /** Undefined while the group is open. */
  readonly closed: ClosedGroup | undefined;
}

export interface ClosedGroup {
  readonly fate: GroupFate;
  /** Best reward first, those without one last. */
  readonly members: readonly Member[];
  /** Over the samples that have a reward; the deviation is unbiased (n - 1), as advantages have it. */
  readonly mean: number;
  readonly deviation: number;
  readonly method: AdvantageMethod;
  /** By groupwise component. */
  readonly judged: Readonly<Record<string, GroupJudged>>;
  /** Undefined for evaluations: they count what the rollout was given. */
  readonly own: OwnReward | undefined;
  /** The batch that trained on the rollout. */
  readonly step: bigint | undefined;
  /** The version that came of it; undefined while it is not committed. */
  readonly version: bigint | undefined;
}

export interface Member {
  readonly taskId: string;
  readonly sampleIndex: number;
  /** From 1; equal rewards share the better rank. Undefined without a reward. */
  readonly rank: number | undefined;
  readonly reward: number | undefined;
  readonly advantage: number;
  readonly cancelled: boolean;
}

/** From the components of the rollout to the reward in its group. */
export interface OwnReward {
  /** Groupwise components; empty where the stage compares nothing. */
  readonly components: Readonly<Record<string, number>>;
  /** Of the composition, where it is the coordinator's: in stages with groupwise components. */
  readonly steps: readonly CompositionStep[];
  readonly composed: number | undefined;
  readonly shaping: (OverlongShaping & { readonly modelTokens: number; readonly penalty: number }) | undefined;
  /** As the ledger has it. */
  readonly reward: number | undefined;
  /** What `composed` and the shaping add up to is another number than the ledger's. */
  readonly differs: boolean;
  /** The group counted this result, and not another one of the same task. */
  readonly counted: boolean;
}

/** Undefined when the ledger knows no such group. The first fact of a kind counts. */
export function groupStory(entries: readonly LedgerEntry[], result: RolloutResult): GroupStory | undefined {
  let opened: GroupOpened | undefined;
  let recipeJson = '';
  let samples: readonly SampleOutcome[] | undefined;
  let fate: GroupFate = GroupFate.UNSPECIFIED;
  let judged: Readonly<Record<string, GroupJudged>> = {};
  let step: bigint | undefined;
  let version: bigint | undefined;
  for (const { fact } of entries) {
    switch (fact.case) {
      case 'runStarted':
        recipeJson = fact.value.recipeJson;
        break;
      case 'groupOpened':
        if (fact.value.groupId === result.groupId) opened ??= fact.value;
        break;
      case 'groupClosed':
        if (fact.value.groupId === result.groupId && samples === undefined) ({ samples, fate, judged } = fact.value);
        break;
      case 'stepFormed':
        if (fact.value.samples.some(({ taskId }) => taskId === result.taskId)) step ??= fact.value.step;
        break;
      case 'stepCommitted':
        if (fact.value.step === step) version ??= fact.value.version;
        break;
      default:
        break;
    }
  }
  if (opened === undefined) return undefined;
  if (samples === undefined) return { opened, closed: undefined };
  const { recipe } = parseResolvedRecipe(recipeJson);
  const stage = stageOf(recipe, result.stage);
  const compared = groupwiseScorers(recipe, stage).length > 0;
  const rewards = samples.flatMap(({ reward }) => (reward === undefined ? [] : [reward]));
  const outcome = samples.find(({ taskId }) => taskId === result.taskId);
  return {
    opened,
    closed: {
      fate,
      members: membersOf(opened, samples),
      mean: meanOf(rewards),
      deviation: standardDeviation(rewards),
      method: stage.algorithm.advantage,
      judged,
      own:
        outcome === undefined || opened.purpose === Purpose.EVAL
          ? undefined
          : ownReward(stage, result, outcome, compared),
      step,
      version,
    },
  };
}

function stageOf(recipe: Recipe, name: string): StageRecipe {
  const stage = recipe.stages.find((each) => each.name === name);
  if (stage === undefined) throw new TypeError(`the recipe of the ledger has no stage ${name}`);
  return stage;
}

function membersOf({ taskIds }: GroupOpened, samples: readonly SampleOutcome[]): Member[] {
  const value = ({ reward }: Pick<SampleOutcome, 'reward'>): number => reward ?? -Infinity;
  return samples
    .map((sample): Member => ({
      taskId: sample.taskId,
      sampleIndex: taskIds.indexOf(sample.taskId),
      rank:
        sample.reward === undefined ? undefined : 1 + samples.filter((other) => value(other) > value(sample)).length,
      reward: sample.reward,
      advantage: sample.advantage,
      cancelled: sample.cancelled,
    }))
    .toSorted((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity) || a.sampleIndex - b.sampleIndex);
}

/** What the coordinator did with a rollout's numbers, done again. */
function ownReward(
  stage: StageRecipe,
  result: RolloutResult,
  { components, reward, trajectorySequence }: SampleOutcome,
  compared: boolean,
): OwnReward {
  const steps: CompositionStep[] = [];
  const composed = compared ? finalReward(stage, result, components, (step) => steps.push(step)) : result.reward;
  const settings = overlongShaping(stage);
  const { modelTokens } = result;
  const shaping =
    settings === undefined ? undefined : { ...settings, modelTokens, penalty: overlongPenalty(modelTokens, settings) };
  const total = composed === undefined ? undefined : composed + (shaping?.penalty ?? 0);
  return {
    components,
    steps,
    composed,
    shaping,
    reward,
    differs: reward !== undefined && reward !== total,
    counted: trajectorySequence === result.trajectorySequence,
  };
}
