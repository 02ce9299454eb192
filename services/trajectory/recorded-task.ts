import { fromBinary } from '@bufbuild/protobuf';
import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import { RolloutTaskSchema, type RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import type { Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError } from '#platform/errors.ts';

type Recorded = Pick<Trajectory, 'task' | 'taskId'>;

/** The task that a trajectory was played for, as the worker got it. Throws TerminalError('data_loss') for bytes that are none. */
export function recordedTask({ task, taskId }: Recorded): RolloutTask {
  try {
    return fromBinary(RolloutTaskSchema, task);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TerminalError('data_loss', `trajectory of task ${taskId}: its task does not decode: ${why}`, { cause });
  }
}

/** What makes the reward of a recorded rollout. Throws TerminalError('data_loss') for a task without it. */
export function recordedComposition(trajectory: Recorded): Composition {
  const { composition } = recordedTask(trajectory);
  if (composition !== undefined) return composition;
  throw new TerminalError('data_loss', `trajectory of task ${trajectory.taskId}: its task has no composition`);
}
