import type { Purpose, RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import type { Row } from '#proto/rollout/v1/task_pb.ts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { samplingSeedOf } from '../domain/task-ids.ts';
import type { RolloutStage } from '#stages/kit/fields.ts';
import type { Recipe } from './schema.ts';
import { stageComposition, taskJudged, taskScorers } from './stage-scorers.ts';

export type TaskInit = MessageInitShape<typeof RolloutTaskSchema>;

export interface TaskParts {
  readonly runId: string;
  readonly taskId: string;
  readonly groupId: string;
  readonly sampleIndex: number;
  readonly attempt: number;
  readonly row: Row;
  readonly stage: RolloutStage;
  readonly purpose: Purpose;
  /** Draw as the stage says, at temperature 1, or the likeliest tokens. */
  readonly mode: 'train' | 'sampled' | 'greedy';
}

/** A rollout as a job. Pure: the same parts give the same task (P8). */
export function buildTask(recipe: Recipe, parts: TaskParts): TaskInit {
  const { stage, mode } = parts;
  const { max_new_tokens: maxNewTokens, ...limits } = stage.limits;
  const drawn =
    mode === 'train'
      ? { temperature: stage.sampling.temperature, topP: stage.sampling.top_p, topK: stage.sampling.top_k }
      : { temperature: mode === 'greedy' ? 0 : 1, topP: 1, topK: 0 };
  return {
    runId: parts.runId,
    taskId: parts.taskId,
    groupId: parts.groupId,
    sampleIndex: parts.sampleIndex,
    stage: stage.name,
    purpose: parts.purpose,
    environment: recipe.environment.name,
    row: parts.row,
    sampling: { ...drawn, maxNewTokens, seed: samplingSeedOf(parts.taskId) },
    limits: {
      contextTokens: limits.context_tokens,
      maxTurns: limits.max_turns,
      toolTimeoutMs: limits.tool_timeout_ms,
      turnTimeoutMs: limits.turn_timeout_ms,
      rolloutTimeoutMs: limits.rollout_timeout_ms,
    },
    scorers: taskScorers(recipe, stage),
    judged: taskJudged(recipe, stage),
    composition: stageComposition(recipe, stage),
    attempt: parts.attempt,
    environmentOptionsJson: JSON.stringify(recipe.environment.options),
  };
}
