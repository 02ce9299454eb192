import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GroupClosedSchema, GroupFate, SampleOutcomeSchema } from '#proto/coordinator/v1/ledger_pb.ts';
import type { Purpose } from '#proto/rollout/v1/task_pb.ts';
import type { TaskInit } from '#recipe/build-task.ts';
import type { RolloutStage } from '#stages/kit/fields.ts';
import type { Learned } from '#stages/kit/step-prompts.ts';
import type { ScoreGroup } from '../groupwise/background-scoring.ts';
import type { GroupScores } from '../groupwise/group-scores.ts';
import type { FailureTally } from './failure-budget.ts';
import type { CollectorPolicy, Group, GroupPlan, Sample } from './group-collector.ts';

/** What all gatherings of a run hold together; admission looks at the whole. */
export interface Load {
  /** Samples that are published and unanswered. */
  readonly openSamples: number;
  /** Groups without a close. */
  readonly running: number;
  /** Groups of the stage that are in a batch, or kept for one. */
  readonly accepted: number;
  /** Steps of the stage that are committed. */
  readonly version: number;
}

export type OutcomeInit = MessageInitShape<typeof SampleOutcomeSchema> & {
  readonly taskId: string;
  readonly cancelled: boolean;
};
export type ClosedInit = MessageInitShape<typeof GroupClosedSchema> & {
  readonly fate: GroupFate;
  readonly samples: OutcomeInit[];
};

/** The groups that a step or an evaluation needs. */
export interface GatherPlan {
  readonly stage: RolloutStage;
  /** Step of the stage. */
  readonly stageStep: number;
  readonly purpose: Purpose;
  /** Empty for training. */
  readonly evaluation: string;
  readonly policy: CollectorPolicy;
  /** Longest time for all groups together; what is missing then is given up (P3). */
  readonly deadlineMs: number;
  /** The group of a draw, counted from 0; undefined when there is no such draw. Pure (P8). */
  planAt(draw: number): GroupPlan | undefined;
  /** How many groups to open now. */
  wanted(groups: readonly Group[], load: Load): number;
  task(group: Group, sample: Sample): TaskInit;
  /** Asks for the scores that a settled group's samples get together; undefined where each has its reward already. */
  readonly score?: ScoreGroup | undefined;
  /** `scores` is there when `score` is. */
  close(group: Group, scores: GroupScores | undefined): ClosedInit;
  /** Rollouts that are in, and expected so far. */
  progress(groups: readonly Group[]): { readonly done: number; readonly expected: number };
  /** What a step teaches of the rows that it asked; undefined for evaluations. */
  learned?(groups: readonly Group[]): Learned;
  /** What failed; throws when a budget is used up. Undefined where none is kept. */
  readonly failures?: FailureTally | undefined;
}
