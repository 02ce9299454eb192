/**
 * Whether a consumer of TASKS agrees with the queue. Each queued task is either to be delivered or delivered and unanswered, so
 *
 *     stored = pending + ackPending
 *
 * A server that was killed may come back with one older than the other (nats-server 2.9 writes the state of a consumer some time
 * after the stream, and a settlement before the removal of its message):
 *
 *     stored < pending + ackPending    deliveries of tasks that are gone: 2.9 tries them forever, and answers no request meanwhile
 *     stored > pending + ackPending    tasks that are handed out to nobody any more
 */
import type { Nats } from './connect.ts';
import type { TaskPurpose } from './streams.ts';
import { onLink } from './link.ts';
import { errorFromNats } from './nats-errors.ts';
import { streams, subjects, workerConsumers } from './streams.ts';

/** What stream and consumer say, read in the order stream, consumer, stream. */
export interface ConsumerReading {
  /** Messages of that purpose before and after the consumer was asked. */
  readonly storedBefore: number;
  readonly storedAfter: number;
  /** Messages, of every purpose, that were stored in between. */
  readonly published: number;
  /** Position of the newest message, afterwards. */
  readonly lastSequence: number;
  readonly pending: number;
  readonly ackPending: number;
  /** Position of the newest delivery. */
  readonly deliveredSequence: number;
}

export interface Drift {
  /** Deliveries that the consumer remembers, or plans, of tasks that are not queued. At least so many. */
  readonly gone: number;
  /** Queued tasks that the consumer does not know of. At least so many. */
  readonly forgotten: number;
  /** The consumer has delivered what was never stored: its stream is a later one. It skips what comes up to there. */
  readonly isAhead: boolean;
}

/** Undefined when they agree. What is published and settled meanwhile is never taken for a drift. */
export function driftOf(reading: ConsumerReading): Drift | undefined {
  const known = reading.pending + reading.ackPending;
  const gone = Math.max(0, known - reading.storedBefore - reading.published);
  const forgotten = Math.max(0, reading.storedAfter - reading.published - known);
  const isAhead = reading.deliveredSequence > reading.lastSequence;
  return gone === 0 && forgotten === 0 && !isAhead ? undefined : { gone, forgotten, isAhead };
}

/** `not_found` when stream or consumer do not exist. */
export async function readConsumer(nats: Nats, purpose: TaskPurpose, signal: AbortSignal): Promise<ConsumerReading> {
  const before = await readStored(nats, purpose, signal);
  const consumer = await ask(nats, purpose, signal, () =>
    nats.jsm.consumers.info(streams.tasks, workerConsumers[purpose]),
  );
  const after = await readStored(nats, purpose, signal);
  return {
    storedBefore: before.stored,
    storedAfter: after.stored,
    published: Math.max(0, after.lastSequence - before.lastSequence),
    lastSequence: after.lastSequence,
    pending: consumer.num_pending,
    ackPending: consumer.num_ack_pending,
    deliveredSequence: consumer.delivered.stream_seq,
  };
}

async function readStored(nats: Nats, purpose: TaskPurpose, signal: AbortSignal) {
  const query = { subjects_filter: subjects.anyTask(purpose) };
  const { state } = await ask(nats, purpose, signal, () => nats.jsm.streams.info(streams.tasks, query));
  const counts = Object.values(state.subjects ?? {});
  return { stored: counts.reduce((sum, count) => sum + count, 0), lastSequence: state.last_seq };
}

async function ask<T>(nats: Nats, purpose: TaskPurpose, signal: AbortSignal, request: () => Promise<T>): Promise<T> {
  await nats.link.whenUp(signal);
  try {
    return await onLink(nats.link, signal, request);
  } catch (thrown) {
    throw errorFromNats(thrown, `consumer ${workerConsumers[purpose]} of ${streams.tasks}`);
  }
}
