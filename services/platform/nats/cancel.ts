/**
 * Cancellation of tasks. What waits leaves the queue; what runs is stopped by its worker, which is notified at once:
 *
 *     removed from TASKS (also when a worker holds it) --> CancelTasks on gradus.cancel.<run> --> rollouts abort
 *
 * Nothing depends on the word: a worker that misses it finishes in vain, and its result is redundant. Cancelling twice,
 * or what is unknown, changes nothing.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { JetStreamApiError } from '@nats-io/jetstream';

import { CancelTasksSchema } from '#proto/rollout/v1/cancel_pb.ts';
import type { CancelTasks } from '#proto/rollout/v1/cancel_pb.ts';
import { deadlineSignal } from '../async/deadline-signal.ts';
import { mapConcurrent } from '../async/map-concurrent.ts';
import { retry } from '../async/retry.ts';
import type { Nats } from './connect.ts';
import { findMessage } from './find-message.ts';
import { onLink } from './link.ts';
import { decodeMessage } from './messages.ts';
import { errorFromNats } from './nats-errors.ts';
import { decodeQueued, queuedTasks } from './queued-tasks.ts';
import { streams, subjects } from './streams.ts';

export interface CancelledTask {
  readonly taskId: string;
  /** Where it was published; a task that is not there is taken to have left the queue. Without it the queue is searched, one read per queued task. */
  readonly sequence?: number | undefined;
}

export interface CancelOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long to try while NATS is unavailable. Default 30 s. */
  readonly timeoutMs?: number | undefined;
}

const idsPerMessage = 1_000;
const requestsAtOnce = 32;
const maxReasonCharacters = 200;
const noMessageFound = 10037;
/** A message that was settled between being found and being deleted. */
const sequenceNotFound = 10043;
/** Also says "no message found" when the message was settled a moment before. */
const deleteFailed = 10057;

/** Gives the number of tasks that left the queue. */
export async function cancelTasks(
  nats: Nats,
  runId: string,
  tasks: readonly CancelledTask[],
  reason: string,
  options: CancelOptions = {},
): Promise<number> {
  if (tasks.length === 0) return 0;
  using deadline = deadlineSignal(options.signal, options.timeoutMs ?? 30_000, `cancelling tasks of run ${runId}`);
  const { signal } = deadline;
  const through = await lastSequence(nats, signal);
  const sequences = await locate(nats, runId, tasks, through, signal);
  const removed = await mapConcurrent(
    sequences,
    requestsAtOnce,
    (sequence) => removeTask(nats, sequence, signal),
    signal,
  );
  // Removed first: anyone who gets a task after the word was said would not know.
  await nats.link.whenUp(signal);
  for (let at = 0; at < tasks.length; at += idsPerMessage) {
    const taskIds = tasks.slice(at, at + idsPerMessage).map(({ taskId }) => taskId);
    const word = create(CancelTasksSchema, {
      runId,
      taskIds,
      throughSequence: BigInt(through),
      reason: reason.slice(0, maxReasonCharacters),
    });
    nats.nc.publish(subjects.cancel(runId), toBinary(CancelTasksSchema, word));
  }
  return removed.filter(Boolean).length;
}

/** Calls `onCancel` for each word, until disposed. Garbage is logged and ignored. */
export function onCancelledTasks(nats: Nats, onCancel: (cancelled: CancelTasks) => void): Disposable {
  const subscription = nats.nc.subscribe(subjects.anyCancel, {
    callback: (error, message) => {
      if (error !== null && error !== undefined) return;
      try {
        onCancel(decodeMessage(CancelTasksSchema, message.data));
      } catch (thrown) {
        nats.log.warn({ err: thrown, subject: message.subject }, 'a cancellation could not be read; it is ignored');
      }
    },
  });
  return { [Symbol.dispose]: () => subscription.unsubscribe() };
}

/** Positions that do hold one of the tasks; a stream that was made again counts from 1 again. */
async function locate(
  nats: Nats,
  runId: string,
  tasks: readonly CancelledTask[],
  through: number,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const sequences = new Set<number>();
  const missing = new Set<string>();
  await mapConcurrent(
    tasks,
    requestsAtOnce,
    async ({ taskId, sequence }) => {
      if (sequence === undefined) missing.add(taskId);
      else if (await holds(nats, sequence, runId, taskId, signal)) sequences.add(sequence);
    },
    signal,
  );
  if (missing.size === 0) return [...sequences];
  for await (const queued of queuedTasks(nats, runId, signal)) {
    if (missing.has(queued.task.taskId) && queued.sequence <= through) sequences.add(queued.sequence);
  }
  return [...sequences];
}

async function holds(nats: Nats, seq: number, runId: string, taskId: string, signal: AbortSignal): Promise<boolean> {
  const message = await findMessage(nats, streams.tasks, { seq }, signal);
  if (message === undefined) return false;
  const task = decodeQueued(message.data);
  return task?.runId === runId && task.taskId === taskId;
}

async function lastSequence(nats: Nats, signal: AbortSignal): Promise<number> {
  const info = await request(nats, signal, () => nats.jsm.streams.info(streams.tasks));
  return info.state.last_seq;
}

/** False where it was settled before. The server counts a task that is removed while a worker holds it as settled. */
export async function removeTask(nats: Nats, sequence: number, signal: AbortSignal): Promise<boolean> {
  return await request(nats, signal, async () => {
    try {
      return await nats.jsm.streams.deleteMessage(streams.tasks, sequence, false);
    } catch (error) {
      if (isGone(error)) return false;
      throw error;
    }
  });
}

function isGone(error: unknown): boolean {
  if (!(error instanceof JetStreamApiError)) return false;
  return (
    [noMessageFound, sequenceNotFound].includes(error.code) ||
    (error.code === deleteFailed && /no message found/i.test(error.message))
  );
}

function request<T>(nats: Nats, signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  return retry(
    async () => {
      await nats.link.whenUp(signal);
      try {
        return await onLink(nats.link, signal, ask);
      } catch (thrown) {
        throw errorFromNats(thrown, 'cancelling a task');
      }
    },
    { signal, baseMs: 50, maxMs: 1_000 },
  );
}
