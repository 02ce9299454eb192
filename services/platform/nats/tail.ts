/**
 * Follows a stream in order, from a sequence on, without end. Each message comes exactly once and none is left out,
 * whatever happens to the connection or the server in between: the position is kept here, and the server's consumer
 * is thrown away and made again after the last message seen.
 */
import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream';
import { headers as createHeaders, nanos, nuid } from '@nats-io/transport-node';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';

import { sleep } from '../async/sleep.ts';
import { TerminalError, TransientError, errorFrom } from '../errors.ts';
import type { Nats } from './connect.ts';
import { parseDelivery } from './delivery.ts';
import { onLink } from './link.ts';
import { createMessageQueue } from './message-queue.ts';
import type { MessageQueue } from './message-queue.ts';
import { errorFromNats } from './nats-errors.ts';
import { pull } from './pull.ts';

export interface TailMessage {
  readonly sequence: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: MsgHdrs;
}

export interface TailOptions {
  /** First sequence wanted; 1, the oldest message, when absent. */
  readonly startSequence?: number | undefined;
  /** Ends the iteration, quietly. */
  readonly signal: AbortSignal;
}

/** Messages fetched ahead of the reader. */
const batch = 256;
/** The server forgets our consumer when nothing was pulled for this long. */
const inactiveMs = 60_000;

export async function* tailStream(
  nats: Nats,
  stream: string,
  subject: string,
  options: TailOptions,
): AsyncGenerator<TailMessage, void, void> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const queue = createMessageQueue<TailMessage>();
  const onAbort = (): void => queue.end();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) queue.end();
  const follower = follow(nats, stream, subject, options.startSequence ?? 1, queue, signal).then(
    () => queue.end(),
    (error: unknown) => queue.end(signal.aborted ? undefined : errorFrom(error)),
  );
  try {
    for (;;) {
      const next = await queue.next();
      if (next.done === true || signal.aborted) return;
      yield next.value;
    }
  } finally {
    stop.abort();
    queue.end();
    await follower;
  }
}

async function follow(
  nats: Nats,
  stream: string,
  subject: string,
  startSequence: number,
  queue: MessageQueue<TailMessage>,
  signal: AbortSignal,
): Promise<void> {
  let nextSequence = startSequence;
  let created: string | undefined;
  while (!signal.aborted) {
    await nats.link.whenUp(signal);
    let consumer: string;
    try {
      consumer = await createConsumer(nats, stream, subject, nextSequence, signal);
      // Afterwards: this consumer is of no other stream than the one that is looked at, or it is gone by then.
      const present = await creationOf(nats, stream, signal);
      created ??= present;
      if (present !== created) throw madeAgain(stream, created, present);
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (!(error instanceof TransientError)) throw error;
      nats.log.debug({ err: error, stream }, 'a stream cannot be followed at the moment');
      await sleep(error.retryAfterMs, signal);
      continue;
    }
    nextSequence = await drainConsumer(nats, stream, consumer, nextSequence, queue, signal);
    // Best effort: the server forgets it anyway.
    if (!nats.link.signal.aborted && !nats.nc.isClosed()) {
      nats.jsm.consumers.delete(stream, consumer).catch(() => {});
    }
  }
}

async function createConsumer(
  nats: Nats,
  stream: string,
  subject: string,
  sequence: number,
  signal: AbortSignal,
): Promise<string> {
  const name = `tail_${nuid.next()}`;
  const create = () =>
    nats.jsm.consumers.add(stream, {
      name,
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: sequence,
      filter_subject: subject,
      inactive_threshold: nanos(inactiveMs),
      mem_storage: true,
      num_replicas: 1,
    });
  try {
    await onLink(nats.link, signal, create);
    return name;
  } catch (error) {
    throw errorFromNats(error, `following ${stream} at ${subject}`);
  }
}

async function creationOf(nats: Nats, stream: string, signal: AbortSignal): Promise<string> {
  try {
    return (await onLink(nats.link, signal, () => nats.jsm.streams.info(stream))).created;
  } catch (error) {
    throw errorFromNats(error, `following ${stream}`);
  }
}

/** Its positions mean nothing there: at the old one nothing would come for a long time. */
function madeAgain(stream: string, created: string, present: string): TerminalError {
  return new TerminalError(
    'not_found',
    `stream ${stream} of ${created}, which was followed, was deleted and made again (${present}); what it held is gone`,
  );
}

/** Reads until the consumer is of no more use; gives the next sequence wanted. */
async function drainConsumer(
  nats: Nats,
  stream: string,
  consumer: string,
  startSequence: number,
  queue: MessageQueue<TailMessage>,
  signal: AbortSignal,
): Promise<number> {
  let nextSequence = startSequence;
  let deliveries = 0;
  let gap = false;

  function onMessage(message: Msg): void {
    const { consumerSequence, streamSequence } = parseDelivery(message.reply ?? '');
    deliveries += 1;
    // A delivery that got lost on its way would be missing forever (nothing is acknowledged): begin again after the
    // last one in order.
    if (consumerSequence !== deliveries) gap = true;
    if (gap || streamSequence < nextSequence) return;
    nextSequence = streamSequence + 1;
    queue.push({
      sequence: streamSequence,
      subject: message.subject,
      data: message.data,
      headers: message.headers ?? createHeaders(),
    });
  }

  for (;;) {
    await queue.whenEmpty();
    const end = await pull(nats, { stream, consumer, batch, wait: true, signal, onMessage });
    if (gap || (end !== 'complete' && end !== 'expired')) return nextSequence;
  }
}
