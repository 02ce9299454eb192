import { fromBinary } from '@bufbuild/protobuf';
import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import { Purpose, RolloutTaskSchema, type RolloutLimits, type RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import type { Sampling } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { EpisodeRow } from '#environments/kit/environment.ts';
import { TerminalError } from '#platform/errors.ts';

/** A task that can be worked on: what the schema leaves optional is there, and bounds hold. */
export interface ParsedTask {
  readonly task: RolloutTask;
  readonly row: EpisodeRow;
  readonly sampling: Sampling;
  readonly limits: RolloutLimits;
  /** The rollout's, and those of its roles. */
  readonly compositions: readonly Composition[];
  readonly environmentOptions: unknown;
  /** Of the task to a worker, from 1. */
  readonly delivery: number;
}

/** Throws TerminalError('data_loss') when the bytes are no task. */
export function decodeTask(data: Uint8Array): RolloutTask {
  try {
    return fromBinary(RolloutTaskSchema, data);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TerminalError(
      'data_loss',
      `task of ${data.length} bytes is not a gradus.rollout.v1.RolloutTask: ${why}`,
      { cause },
    );
  }
}

/** Throws TerminalError('invalid_argument') that names the field, its value and what it must be. */
export function parseTask(task: RolloutTask, delivery = 1): ParsedTask {
  const fail = (field: string, problem: string): never => {
    throw new TerminalError('invalid_argument', `task ${task.taskId || '(no task id)'}: ${field} ${problem}`, {
      details: { field },
    });
  };
  if (task.runId === '') fail('run_id', 'is empty');
  if (task.taskId === '') fail('task_id', 'is empty');
  if (task.groupId === '') fail('group_id', 'is empty');
  if (task.purpose === Purpose.UNSPECIFIED) fail('purpose', 'is unspecified; it must be TRAIN or EVAL');
  const { row, sampling, limits, composition } = task;
  if (row === undefined || row.id === '') return fail('row', 'is missing, or has no id');
  if (sampling === undefined) return fail('sampling', 'is missing');
  if (sampling.maxNewTokens === 0) fail('sampling.max_new_tokens', 'is 0; it must be at least 1');
  if (limits === undefined) return fail('limits', 'is missing');
  checkLimits(limits, fail);
  if (composition === undefined) return fail('composition', 'is missing; it says which components a score needs');
  return {
    task,
    row: { id: row.id, data: parseJson('row.data_json', row.dataJson, fail), tags: row.tags },
    sampling,
    limits,
    compositions: [composition, ...task.roles.flatMap((role) => role.composition ?? [])],
    delivery,
    environmentOptions: parseJson('environment_options_json', task.environmentOptionsJson, fail),
  };
}

type Fail = (field: string, problem: string) => never;

function checkLimits(limits: RolloutLimits, fail: Fail): void {
  const { contextTokens, maxTurns, toolTimeoutMs, turnTimeoutMs, rolloutTimeoutMs } = limits;
  if (contextTokens < 2) fail('limits.context_tokens', `is ${contextTokens}; it must hold a prompt and a token`);
  if (maxTurns === 0) fail('limits.max_turns', 'is 0; it must be at least 1');
  if (toolTimeoutMs === 0) fail('limits.tool_timeout_ms', 'is 0; every wait has a deadline');
  if (toolTimeoutMs >= turnTimeoutMs) {
    fail('limits.tool_timeout_ms', `is ${toolTimeoutMs}; it must be less than turn_timeout_ms (${turnTimeoutMs})`);
  }
  if (turnTimeoutMs >= rolloutTimeoutMs) {
    fail(
      'limits.turn_timeout_ms',
      `is ${turnTimeoutMs}; it must be less than rollout_timeout_ms (${rolloutTimeoutMs})`,
    );
  }
}

function parseJson(field: string, json: string, fail: Fail): unknown {
  if (json === '') return {};
  try {
    return JSON.parse(json);
  } catch (error) {
    return fail(field, `is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}
