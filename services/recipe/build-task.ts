import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { JudgedComponentSchema } from '#proto/rollout/v1/judged_pb.ts';
import { RolloutLimitsSchema, ScorerSettingsSchema, TaskRoleSchema } from '#proto/rollout/v1/task_pb.ts';
import type { Purpose, RolloutTaskSchema, Row } from '#proto/rollout/v1/task_pb.ts';
import { samplingSeedOf } from './task-ids.ts';
import type { RolloutStage } from '#stages/kit/fields.ts';
import type { Recipe } from './schema.ts';
import { stageRoles } from './stage-roles.ts';
import { stageComposition, taskJudged, taskScorers } from './stage-scorers.ts';

export type TaskInit = MessageInitShape<typeof RolloutTaskSchema>;

export interface TaskParts {
  readonly runId: string;
  readonly taskId: string;
  readonly groupId: string;
  /** 63 bits. */
  readonly groupSeed: bigint;
  readonly sampleIndex: number;
  readonly attempt: number;
  readonly row: Row;
  readonly purpose: Purpose;
  /** Draw as the stage says, at temperature 1, or the likeliest tokens. */
  readonly mode: 'train' | 'sampled' | 'greedy';
}

/** Makes the tasks of a stage: rollouts as jobs. Pure: the same parts give the same task (P8). What all of them share is built once. */
export function createTaskBuilder(recipe: Recipe, stage: RolloutStage): (parts: TaskParts) => TaskInit {
  const { max_new_tokens: maxNewTokens, ...bounds } = stage.limits;
  const limits = create(RolloutLimitsSchema, {
    contextTokens: bounds.context_tokens,
    maxTurns: bounds.max_turns,
    toolTimeoutMs: bounds.tool_timeout_ms,
    turnTimeoutMs: bounds.turn_timeout_ms,
    rolloutTimeoutMs: bounds.rollout_timeout_ms,
  });
  const shared = {
    stage: stage.name,
    environment: recipe.environment.name,
    limits,
    scorers: taskScorers(recipe, stage).map((scorer) => create(ScorerSettingsSchema, scorer)),
    judged: taskJudged(recipe, stage).map((component) => create(JudgedComponentSchema, component)),
    composition: stageComposition(recipe, stage),
    environmentOptionsJson: JSON.stringify(recipe.environment.options),
  };
  const roles = stageRoles(recipe, stage).map((role) => create(TaskRoleSchema, role));
  const { temperature, top_p: topP, top_k: topK } = stage.sampling;
  return ({ mode, groupSeed, ...parts }) => {
    const drawn =
      mode === 'train' ? { temperature, topP, topK } : { temperature: mode === 'greedy' ? 0 : 1, topP: 1, topK: 0 };
    const seed = samplingSeedOf(groupSeed, parts.sampleIndex);
    // Evaluations have no rewards by role.
    const ofRoles = mode === 'train' && roles.length > 0 ? { roles } : {};
    return { ...shared, ...ofRoles, ...parts, sampling: { ...drawn, maxNewTokens, seed } };
  };
}
