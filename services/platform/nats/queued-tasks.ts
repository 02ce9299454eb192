import { RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import type { RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import { retry } from '../async/retry.ts';
import type { Nats } from './connect.ts';
import { findMessage } from './find-message.ts';
import type { TaskPurpose } from './streams.ts';
import { onLink } from './link.ts';
import { decodeMessage } from './messages.ts';
import { errorFromNats } from './nats-errors.ts';
import { streams, subjects } from './streams.ts';

export interface QueuedTask {
  /** Position in TASKS. */
  readonly sequence: number;
  readonly task: RolloutTask;
}

/** Tasks of a run that wait or run now, in the order of the queue; one read each. What does not decode is left to the workers. */
export async function* queuedTasks(
  nats: Nats,
  runId: string,
  signal: AbortSignal,
  purposes: readonly TaskPurpose[] = ['train', 'eval'],
): AsyncGenerator<QueuedTask, void, void> {
  for (const purpose of purposes) {
    const next_by_subj = subjects.task(runId, purpose);
    for (let seq = 1; ;) {
      const message = await findMessage(nats, streams.tasks, { seq, next_by_subj }, signal);
      if (message === undefined) break;
      seq = message.sequence + 1;
      const task = decodeQueued(message.data);
      if (task !== undefined) yield { sequence: message.sequence, task };
    }
  }
}

/**
 * Empties a run's part of the queue. A server that is killed between noting an acknowledgement and removing the message
 * brings the message back, and hands it to nobody any more.
 */
export async function clearQueue(nats: Nats, runId: string, signal: AbortSignal): Promise<void> {
  await retry(
    async () => {
      await nats.link.whenUp(signal);
      try {
        for (const purpose of ['train', 'eval'] as const) {
          const filter = subjects.task(runId, purpose);
          await onLink(nats.link, signal, () => nats.jsm.streams.purge(streams.tasks, { filter }));
        }
      } catch (thrown) {
        throw errorFromNats(thrown, `clearing the queue of run ${runId}`);
      }
    },
    { signal, baseMs: 50, maxMs: 1_000 },
  );
}

/** Undefined for garbage: a worker moves it to the dead letters with the reason. */
export function decodeQueued(data: Uint8Array): RolloutTask | undefined {
  try {
    return decodeMessage(RolloutTaskSchema, data);
  } catch {
    return undefined;
  }
}
