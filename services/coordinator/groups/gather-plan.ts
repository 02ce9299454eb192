import type { MessageInitShape } from '@bufbuild/protobuf';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import type { GroupClosedSchema, SampleOutcomeSchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import type { TaskParts } from '#recipe/build-task.ts';
import { groupIdOf, groupSeedOf, taskIdOf } from '#recipe/task-ids.ts';
import type { GroupKey } from '#recipe/task-ids.ts';
import type { RolloutStage } from '#stages/kit/fields.ts';
import type { StepPrompts } from '#stages/kit/step-prompts.ts';
import type { TrainingStage } from '#stages/kit/training-fields.ts';
import { rolloutCapacity } from './capacity.ts';
import type { CollectorPolicy } from './group-collector.ts';
import type { Group, GroupPlan } from './group.ts';

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

interface PlannedGroups {
  /** Step of the stage. */
  readonly stageStep: number;
  readonly policy: CollectorPolicy;
  /** Longest time for all groups together; what is missing then is given up (P3). */
  readonly deadlineMs: number;
  /** What the ids of its groups and tasks have in common. */
  readonly key: Omit<GroupKey, 'draw' | 'questionId'>;
  /** How each sample of a group is drawn. */
  readonly modes: readonly TaskParts['mode'][];
  /** Groups that it needs. One that carries no signal is replaced by another. */
  readonly target: number;
  /** Most groups that are opened for that. */
  readonly most: number;
}

export interface TrainingPlan extends PlannedGroups {
  readonly purpose: typeof Purpose.TRAIN;
  readonly stage: TrainingStage;
  readonly prompts: StepPrompts;
}

export interface EvaluationPlan extends PlannedGroups {
  readonly purpose: typeof Purpose.EVAL;
  readonly stage: RolloutStage;
  /** Its name in the ledger. */
  readonly evaluation: string;
  readonly prompts: Pick<StepPrompts, 'at'>;
}

/** The groups that a step or an evaluation needs. */
export type GatherPlan = TrainingPlan | EvaluationPlan;

/** The group of a draw, counted from 0; undefined when there is no such draw. Pure (P8). */
export function groupAt({ prompts, key, modes }: GatherPlan, draw: number): GroupPlan | undefined {
  const drawn = prompts.at(draw);
  if (drawn === undefined) return undefined;
  const { row, name } = drawn;
  const own: GroupKey = { ...key, draw: name, questionId: row.id };
  const taskIds = modes.map((_, index) => taskIdOf(own, index));
  return { groupId: groupIdOf(own), draw, row, taskIds, seed: groupSeedOf(own) };
}

/** How many groups to open now. */
export function wantedGroups(plan: GatherPlan, maxOpenRollouts: number, groups: readonly Group[], load: Load): number {
  const { target, most, modes, policy } = plan;
  const taken = groups.filter(({ fate }) => fate === undefined || fate === GroupFate.EVALUATED || isKept(fate)).length;
  const concurrent = Math.floor((maxOpenRollouts - load.openSamples) / modes.length);
  const capacity =
    plan.purpose === Purpose.EVAL
      ? concurrent
      : rolloutCapacity({
          maxConcurrent: concurrent + load.running,
          running: load.running,
          accepted: load.accepted,
          maxStaleness: policy.maxStaleness,
          version: load.version,
          batch: target,
        });
  return Math.min(target - taken, capacity, most - groups.length);
}

/** Rollouts that are in, and expected so far. */
export function progressOf(
  { target, modes }: GatherPlan,
  groups: readonly Group[],
): { done: number; expected: number } {
  return {
    done: groups.reduce((sum, group) => sum + group.samples.filter((sample) => sample.state === 'done').length, 0),
    expected: modes.length * Math.max(target, groups.length),
  };
}

/** A group with this fate is trained on. */
export function isKept(fate: GroupFate | undefined): boolean {
  return fate === GroupFate.KEPT || fate === GroupFate.SHRUNK;
}
