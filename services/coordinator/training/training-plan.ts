import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import type { Row } from '#proto/rollout/v1/task_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { headlineOf } from '#recipe/environment-part.ts';
import { kindOf } from '#stages/kit/kinds.ts';
import type { TrainingStage } from '#stages/kit/training-fields.ts';
import type { StageState } from '#run/ledger/run-state.ts';
import type { TrainingPlan } from '../groups/gather-plan.ts';
import { stageLabel } from '../run-context.ts';
import type { RunContext } from '../run-context.ts';

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
  context: Pick<RunContext, 'recipe' | 'recipeHash'>,
  { stage, entered, rows }: EnteredStage,
  stageStep: number,
): TrainingPlan {
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
  return {
    stage,
    stageStep,
    purpose: Purpose.TRAIN,
    policy: {
      onDeadline: stage.groups.on_deadline,
      attempts: stage.groups.attempts,
      groupMs: stage.deadlines.group_ms,
      version: entered.entryVersion + stageStep,
      maxStaleness: stage.max_staleness,
      retryAfterMs: 1000,
      stragglerAfter: stage.groups.straggler_after,
    },
    deadlineMs: stage.deadlines.step_ms,
    key: { recipeHash, seed: recipe.seed, stage: label, step: stageStep },
    modes: Array.from({ length: groupSize }, () => 'train' as const),
    target: batchGroups,
    most: batchGroups * batches,
    prompts,
  };
}
