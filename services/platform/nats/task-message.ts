/** A task in the hands of a worker, and the ways to settle it; each is confirmed by the server. */
import { headers as createHeaders } from '@nats-io/transport-node';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';

import { deadlineSignal } from '../async/deadline-signal.ts';
import { retry } from '../async/retry.ts';
import { TerminalError } from '../errors.ts';
import type { Nats } from './connect.ts';
import { parseDelivery } from './delivery.ts';
import { onLink } from './link.ts';
import { errorFromNats } from './nats-errors.ts';
import { publishBytes } from './publish.ts';
import { subjects } from './streams.ts';

export interface TaskMessage {
  readonly data: Uint8Array;
  readonly headers: MsgHdrs;
  readonly subject: string;
  /** Position in the stream; the same for each delivery of a task. */
  readonly sequence: number;
  /** How often it was handed out before. */
  readonly redeliveries: number;
  /**
   * How often a worker that lived returned it as failed. Deaths of its workers and hand-backs are not among them. 0 while the
   * records cannot be read.
   */
  failures(): Promise<number>;
  /** Done: the task leaves the queue. Resolves once the server has confirmed it. */
  ack(): Promise<void>;
  /** It failed here: back to the queue, handed out again after `delayMs`. */
  nak(delayMs: number): Promise<void>;
  /** This worker stops: back to the queue. */
  handBack(): Promise<void>;
  /** Never again: stored with the reason among the dead letters, then removed from the queue. */
  term(reason: string): Promise<void>;
  /** Never again, and nobody waits for it: removed from the queue without a dead letter. */
  discard(): Promise<void>;
}

export type Settled = 'done' | 'failed' | 'returned';

/** What the queue's side of a worker knows besides. */
export interface HeldTask extends TaskMessage {
  /** The same for each delivery, and of no other task, also when the stream was made again. */
  readonly key: string;
  readonly settled: boolean;
  /** Extends the hold by another ack wait. */
  beat(): void;
  /** It was delivered to this worker again while it works on it: that delivery is settled with it. */
  adopt(reply: string): void;
}

export interface HeldTaskEvents {
  /** Before the queue is informed. */
  readonly settling: (task: HeldTask, how: Settled) => Promise<void>;
  readonly settled: (task: HeldTask) => void;
  readonly failures: (task: HeldTask) => Promise<number>;
}

/** How long a settlement is tried while NATS is unavailable; after that the task is redelivered. */
const settleTimeoutMs = 60_000;
const attemptMs = 5_000;

/**
 * Our own last pull request lies at the server for up to its heartbeat (1 s) after we stopped listening. A task that comes
 * back while it is the only one makes nats-server 2.9 skip that task until its lease ends, so what is handed back comes back
 * later than that.
 */
const handBackDelayMs = 1_500;

export function holdTask(nats: Nats, message: Msg, events: HeldTaskEvents): HeldTask {
  const { deliveries, streamSequence, storedAt } = parseDelivery(message.reply ?? '');
  let reply = message.reply ?? '';
  let settled = false;

  async function settle(settlement: string, how: Settled): Promise<void> {
    if (settled) throw new TerminalError('failed_precondition', 'a task is settled once');
    settled = true;
    try {
      await events.settling(task, how);
      await confirm(nats, () => reply, settlement);
    } finally {
      events.settled(task);
    }
  }
  const nak = (delayMs: number, how: Settled): Promise<void> =>
    settle(`-NAK ${JSON.stringify({ delay: Math.max(0, Math.round(delayMs)) * 1_000_000 })}`, how);

  const task: HeldTask = {
    data: message.data,
    headers: message.headers ?? createHeaders(),
    subject: message.subject,
    sequence: streamSequence,
    redeliveries: deliveries - 1,
    key: `${streamSequence}.${storedAt}`,
    get settled() {
      return settled;
    },
    beat() {
      // A connection that drains takes nothing any more: the task is handed on when its lease ends.
      const isOver = nats.nc.isClosed() || nats.nc.isDraining() || nats.link.signal.aborted;
      if (!settled && !isOver) nats.nc.publish(reply, '+WPI');
    },
    adopt(again) {
      reply = again;
    },
    failures: () => events.failures(task),
    ack: () => settle('+ACK', 'done'),
    nak: (delayMs) => nak(delayMs, 'failed'),
    handBack: () => nak(handBackDelayMs, 'returned'),
    discard: () => settle('+TERM', 'done'),
    async term(reason) {
      await publishDeadLetter(nats, task, reason);
      // Servers before 2.10.4 do not understand a reason here; it is in the dead letter.
      await settle('+TERM', 'done');
    },
  };
  return task;
}

async function publishDeadLetter(nats: Nats, task: TaskMessage, reason: string): Promise<void> {
  const runId = task.subject.split('.')[2] ?? 'unknown';
  const copied = Object.fromEntries(
    task.headers
      .keys()
      .filter((key) => !/^nats-/i.test(key))
      .map((key) => [key, task.headers.get(key)]),
  );
  await publishBytes(
    nats,
    subjects.deadLetter(runId),
    task.data,
    {
      messageId: `dead.${task.sequence}.${task.headers.get('Nats-Msg-Id')}`,
      headers: {
        ...copied,
        'Gradus-Reason': reason.replace(/[\r\n]+/g, ' ').slice(0, 512),
        'Gradus-Subject': task.subject,
        'Gradus-Redeliveries': String(task.redeliveries),
      },
    },
    'a dead letter',
  );
}

/** Sends a settlement until the server has confirmed it. */
async function confirm(nats: Nats, reply: () => string, settlement: string): Promise<void> {
  using deadline = deadlineSignal(undefined, settleTimeoutMs, 'settling a task');
  await retry(
    async () => {
      await nats.link.whenUp(deadline.signal);
      try {
        const request = () => nats.nc.request(reply(), settlement, { timeout: attemptMs });
        await onLink(nats.link, deadline.signal, request);
      } catch (thrown) {
        throw errorFromNats(thrown, 'settling a task');
      }
    },
    { signal: deadline.signal, baseMs: 50, maxMs: 1_000 },
  );
}
