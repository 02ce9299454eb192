import { sleep } from '../async/sleep.ts';
import { removeTask } from './cancel.ts';
import type { Nats } from './connect.ts';
import { findMessage } from './find-message.ts';
import type { TaskPurpose } from './streams.ts';
import { onLink } from './link.ts';
import { errorFromNats } from './nats-errors.ts';
import { publishBytes } from './publish.ts';
import { queuedTasks } from './queued-tasks.ts';
import { streams, subjects, workerConsumers } from './streams.ts';

export interface RequeueOptions {
  readonly runId: string;
  readonly purpose: TaskPurpose;
  /** What was acknowledged leaves the queue within this time. */
  readonly settledMs: number;
  readonly signal: AbortSignal;
}

/**
 * Publishes anew the tasks of a run that are queued behind the position of their consumer, which never comes back to them; gives how
 * many. nats-server 2.9 passes over a task when the one after it is deleted in the moment of its delivery (a cancellation), and a
 * consumer that is made again passes over it too. The copy is stored before the original is removed: a crash in between leaves
 * two messages of one task, of which one counts (P1).
 */
export async function requeueForgotten(nats: Nats, options: RequeueOptions): Promise<number> {
  const { runId, purpose, settledMs, signal } = options;
  const first = await queuedBehind(nats, options);
  if (first.size === 0) return 0;
  await sleep(settledMs, signal);
  const still = await queuedBehind(nats, options);
  let requeued = 0;
  for (const seq of still) {
    const message = first.has(seq) ? await findMessage(nats, streams.tasks, { seq }, signal) : undefined;
    if (message === undefined) continue;
    const { data, trace: headers } = message;
    const messageId = `${runId}:requeued:${seq}`;
    await publishBytes(nats, subjects.task(runId, purpose), data, { messageId, headers, signal }, 'a task');
    await removeTask(nats, seq, signal);
    requeued += 1;
  }
  return requeued;
}

/** Positions up to which all is settled, as the consumer sees it, and that are queued all the same. */
async function queuedBehind(nats: Nats, { runId, purpose, signal }: RequeueOptions): Promise<ReadonlySet<number>> {
  const settled = await settledSequence(nats, purpose, signal);
  const behind = new Set<number>();
  for await (const { sequence } of queuedTasks(nats, runId, signal, [purpose]))
    if (sequence <= settled) behind.add(sequence);
  return behind;
}

async function settledSequence(nats: Nats, purpose: TaskPurpose, signal: AbortSignal): Promise<number> {
  const name = workerConsumers[purpose];
  await nats.link.whenUp(signal);
  try {
    const info = await onLink(nats.link, signal, () => nats.jsm.consumers.info(streams.tasks, name));
    return info.num_ack_pending === 0 ? info.delivered.stream_seq : info.ack_floor.stream_seq;
  } catch (thrown) {
    throw errorFromNats(thrown, `consumer ${name} of ${streams.tasks}`);
  }
}
