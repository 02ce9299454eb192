import { Purpose, RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { publishMessage } from '#platform/nats/messages.ts';
import type { Published } from '#platform/nats/messages.ts';
import { clearQueue, queuedTasks } from '#platform/nats/queued-tasks.ts';
import { onLink } from '#platform/nats/link.ts';
import { streams, subjects } from '#platform/nats/streams.ts';
import { withSpan } from '#platform/telemetry/tracing.ts';
import { rolloutSpan, taskAttributes } from '#trajectory/rollout-span.ts';
import type { TaskInit } from '#recipe/build-task.ts';

/** Long enough for a NATS server that restarts. */
const publishTimeoutMs = 120_000;

export interface TaskPublisher {
  /**
   * Puts a task on the work queue. The message id is run, task and attempt, so that a repeated publish within the
   * server's window is one message; `duplicate` says that it was.
   */
  publish(task: TaskInit, purpose: Purpose, signal: AbortSignal): Promise<Published>;
  /** Tasks of the run that wait or run now: id -> newest attempt. At most as many as are open. */
  outstanding(signal: AbortSignal): Promise<Map<string, number>>;
  /** How many tasks of the run wait or run now; one request. */
  queued(signal: AbortSignal): Promise<number>;
  /** Removes whatever the run has left in the queue. For the end of a run: nobody waits for it. */
  clear(signal: AbortSignal): Promise<void>;
}

export function createTaskPublisher(nats: Nats, runId: string): TaskPublisher {
  return {
    async publish(task, purpose, signal) {
      const subject = subjects.task(runId, purpose === Purpose.EVAL ? 'eval' : 'train');
      const messageId = `${runId}:${task.taskId ?? ''}:${task.attempt ?? 0}`;
      // The root of the rollout's trace; its context travels with the task (P7). Later attempts join the trace.
      const root = rolloutSpan(runId, task.taskId ?? '');
      return withSpan(
        'rollout.publish',
        taskAttributes({ runId, ...task }),
        () =>
          publishMessage(nats, subject, RolloutTaskSchema, task, { messageId, signal, timeoutMs: publishTimeoutMs }),
        (task.attempt ?? 0) === 0 ? { root } : { parent: root },
      );
    },
    async outstanding(signal) {
      const found = new Map<string, number>();
      for await (const { task } of queuedTasks(nats, runId, signal)) {
        found.set(task.taskId, Math.max(found.get(task.taskId) ?? 0, task.attempt));
      }
      return found;
    },
    async queued(signal) {
      await nats.link.whenUp(signal);
      const info = await onLink(nats.link, signal, () =>
        nats.jsm.streams.info(streams.tasks, { subjects_filter: subjects.tasksOf(runId) }),
      );
      return Object.values(info.state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
    },
    clear: (signal) => clearQueue(nats, runId, signal),
  };
}
