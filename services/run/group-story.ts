import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import type {
  GroupJudged,
  GroupOpened,
  LedgerEntry,
  RoleOutcome,
  SampleOutcome,
} from '#proto/coordinator/v1/ledger_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { meanOf, standardDeviation, type AdvantageMethod } from '#rewards/advantages.ts';
import { parseResolvedRecipe } from '#recipe/resolve-recipe.ts';
import type { Recipe } from '#recipe/schema.ts';
import type { RolloutStage } from '#stages/kit/fields.ts';
import { playedAs } from '#stages/kit/kinds.ts';
import type { RlStage } from '#stages/rl/schema.ts';

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
  /** Undefined where the stage has no advantages. */
  readonly method: AdvantageMethod | undefined;
  /** By groupwise component. */
  readonly judged: Readonly<Record<string, GroupJudged>>;
  /** Undefined when the group does not name the rollout. */
  readonly own: OwnOutcome | undefined;
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
  /** 0 where roles have one each. */
  readonly advantage: number;
  readonly cancelled: boolean;
  readonly roles: readonly MemberRole[];
}

/** A role of the environment in a sample. */
export type MemberRole = Pick<RoleOutcome, 'role' | 'reward' | 'advantage' | 'trained'>;

/** What the close of its group says of the rollout. */
export interface OwnOutcome {
  /** Groupwise components; empty where the stage compares nothing. */
  readonly components: Readonly<Record<string, number>>;
  readonly reward: number | undefined;
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
  const rewards = samples.flatMap(({ reward }) => (reward === undefined ? [] : [reward]));
  const outcome = samples.find(({ taskId }) => taskId === result.taskId);
  return {
    opened,
    closed: {
      fate,
      members: membersOf(opened, samples),
      mean: meanOf(rewards),
      deviation: standardDeviation(rewards),
      method: 'algorithm' in stage ? stage.algorithm.advantage : undefined,
      judged,
      own: outcome && {
        components: outcome.components,
        reward: outcome.reward,
        counted: outcome.trajectorySequence === result.trajectorySequence,
      },
      step,
      version,
    },
  };
}

function stageOf(recipe: Recipe, name: string): RlStage | RolloutStage {
  const stage = playedAs(recipe, name);
  if (stage === undefined) throw new TypeError(`the recipe of the ledger has no stage ${name} with rollouts`);
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
      roles: sample.roles.map(({ role, reward, advantage, trained }) => ({ role, reward, advantage, trained })),
    }))
    .toSorted((a, b) => (a.rank ?? Infinity) - (b.rank ?? Infinity) || a.sampleIndex - b.sampleIndex);
}
