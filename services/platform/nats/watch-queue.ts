/**
 * Keeps the task queue in order for the leader of a run: a stale state of the broker is repaired, not waited for (P10).
 *
 *     on taking over, after each reconnect, and every few seconds:
 *       tasks that the run does not wait for any more, and that are queued all the same  --> cancelled
 *       tasks that their consumer has passed over                                        --> published anew
 *       a consumer that keeps disagreeing with the queue                                 --> made again
 *
 * A consumer that is made again hands out all that is queued, also what workers have at the moment: that is played twice and counts
 * once. Their acknowledgements remove the task as before. Pulls that wait end with "missing" and are repeated at once.
 *
 * Consumers are shared by all runs, so the leaders of several may repair the same one; the second finds it in order, or makes an
 * empty change.
 */
import type { RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import { sleep } from '../async/sleep.ts';
import { TerminalError, errorFrom } from '../errors.ts';
import { cancelTasks } from './cancel.ts';
import type { Nats } from './connect.ts';
import { readConsumer } from './consumer-drift.ts';
import type { Drift } from './consumer-drift.ts';
import type { TaskPurpose } from './streams.ts';
import { lastingDrift } from './lasting-drift.ts';
import { queuedTasks } from './queued-tasks.ts';
import type { QueuedTask } from './queued-tasks.ts';
import { requeueForgotten } from './requeue-forgotten.ts';
import { recreateWorkerConsumer, streams, workerConsumers } from './streams.ts';

export interface WatchQueueOptions {
  readonly runId: string;
  /**
   * Whether the run waits for nothing from this task any more: its result is counted, or its group is closed. A task that the ledger
   * does not know is over too: groups are in the ledger before their tasks are published.
   */
  readonly isOver: (task: RolloutTask) => boolean;
  /** Throws when another process leads the run. */
  readonly confirmLead: () => Promise<void>;
  readonly signal: AbortSignal;
  /** Told after a consumer was made again. */
  readonly onRepaired?: ((purpose: TaskPurpose, drift: Drift) => void) | undefined;
}

const purposes = ['eval', 'train'] as const;
const intervalMs = 3_000;
const readingMs = 400;
/** A worker that has stored a result acknowledges its task within this time. */
const settledMs = 1_600;
/** Between two repairs of the same consumer; doubles while it does not help. */
const repairPauseMs = { first: 10_000, longest: 300_000 };

/** Until the signal. Never throws: what cannot be read now is read later. */
export async function watchQueue(nats: Nats, options: WatchQueueOptions): Promise<void> {
  const { signal } = options;
  const pauses = new Map<TaskPurpose, { readonly untilMs: number; readonly pauseMs: number }>();
  /** The connection whose beginning was looked after. */
  let connection: AbortSignal | undefined;

  async function look(): Promise<void> {
    await nats.link.whenUp(signal);
    const isNew = connection !== nats.link.signal;
    const present = nats.link.signal;
    if (isNew) await cancelOver(nats, options);
    for (const purpose of purposes) await repair(purpose);
    connection = present;
  }

  const findDrift = (purpose: TaskPurpose): Promise<Drift | undefined> =>
    lastingDrift(
      () => readConsumer(nats, purpose, signal),
      () => sleep(readingMs, signal),
    );

  async function repair(purpose: TaskPurpose): Promise<void> {
    const pause = pauses.get(purpose);
    if (pause !== undefined && performance.now() < pause.untilMs) return;
    let drift = await findDrift(purpose);
    if (drift !== undefined && drift.forgotten > 0) {
      await cancelOver(nats, options);
      // A consumer that is ahead of its stream would pass over the copies too.
      if (!drift.isAhead) await requeue(purpose);
      drift = await findDrift(purpose);
    }
    if (drift === undefined) {
      pauses.delete(purpose);
      return;
    }
    const pauseMs = Math.min(repairPauseMs.longest, pause === undefined ? repairPauseMs.first : 2 * pause.pauseMs);
    pauses.set(purpose, { untilMs: performance.now() + pauseMs, pauseMs });
    await options.confirmLead();
    nats.log.warn(
      { ...drift, consumer: workerConsumers[purpose], stream: streams.tasks },
      'a consumer does not agree with the task queue, as after a kill of the NATS server; it is made again, and what is queued is handed out again',
    );
    await recreateWorkerConsumer(nats, purpose, signal);
    options.onRepaired?.(purpose, drift);
  }

  async function requeue(purpose: TaskPurpose): Promise<void> {
    await options.confirmLead();
    const { runId } = options;
    const requeued = await requeueForgotten(nats, { runId, purpose, settledMs, signal });
    if (requeued > 0)
      nats.log.warn(
        { run: runId, requeued, consumer: workerConsumers[purpose], stream: streams.tasks },
        'queued tasks that their consumer had passed over are published anew; nats-server 2.9 does that around cancellations',
      );
  }

  while (!signal.aborted) {
    try {
      await look();
    } catch (thrown) {
      const error = errorFrom(thrown);
      // A queue that is missing is made again by those who pull from it.
      const passes = !(error instanceof TerminalError) || error.code === 'not_found';
      if (passes) nats.log.debug({ err: error, run: options.runId }, 'the task queue cannot be looked at');
      else nats.log.warn({ err: error, run: options.runId }, 'the task queue could not be looked at');
    }
    // A connection that breaks is looked after as soon as there is a new one.
    await sleep(intervalMs, AbortSignal.any([signal, nats.link.signal])).catch(() => undefined);
    if (!signal.aborted && nats.link.signal.aborted) await nats.link.whenUp(signal).catch(() => undefined);
  }
}

/**
 * Tasks that are over are looked for twice: a worker that has stored its result is about to acknowledge the task, and needs no help.
 */
async function cancelOver(nats: Nats, { runId, isOver, confirmLead, signal }: WatchQueueOptions): Promise<void> {
  const first = await overTasks(nats, runId, isOver, signal);
  if (first.size === 0) return;
  await sleep(settledMs, signal);
  const still = await overTasks(nats, runId, isOver, signal);
  const left = [...still.values()].filter(({ sequence }) => first.has(sequence));
  if (left.length === 0) return;
  await confirmLead();
  const tasks = left.map(({ sequence, task }) => ({ taskId: task.taskId, sequence }));
  const removed = await cancelTasks(nats, runId, tasks, 'its result is counted, or its group is closed', { signal });
  nats.log.info({ run: runId, removed }, 'tasks that are over were still queued; they are removed');
}

async function overTasks(
  nats: Nats,
  runId: string,
  isOver: WatchQueueOptions['isOver'],
  signal: AbortSignal,
): Promise<ReadonlyMap<number, QueuedTask>> {
  const over = new Map<number, QueuedTask>();
  for await (const queued of queuedTasks(nats, runId, signal))
    if (isOver(queued.task)) over.set(queued.sequence, queued);
  return over;
}
