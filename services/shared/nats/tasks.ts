/**
 * Tasks from the TASKS work queue. A task belongs to its taker until it is settled; one that is neither settled nor
 * reported as `working` for 30 s is given to somebody else.
 *
 *     pulled --> handed out --> ack | nak | term        (each confirmed by the server)
 *        |            '--> (silence) --> redelivered
 *        '--> delivered too often --> dead letters
 */
import { headers as createHeaders } from '@nats-io/transport-node';
import type { Msg, MsgHdrs } from '@nats-io/transport-node';

import { deadlineSignal } from '../async/deadline-signal.ts';
import { retry } from '../async/retry.ts';
import { sleep } from '../async/sleep.ts';
import { TerminalError, errorFrom } from '../errors.ts';
import type { Nats } from './connect.ts';
import { parseDelivery } from './delivery.ts';
import { onLink } from './link.ts';
import { createMessageQueue } from './message-queue.ts';
import { errorFromNats } from './nats-errors.ts';
import { publishBytes } from './publish.ts';
import { pull } from './pull.ts';
import { ensureStreams, maxTaskDeliveries, streams, subjects, workersConsumer } from './streams.ts';

export interface TaskMessage {
  readonly data: Uint8Array;
  readonly headers: MsgHdrs;
  readonly subject: string;
  /** Position in the stream; the same for each delivery of a task. */
  readonly sequence: number;
  /** How often it was handed out before. */
  readonly redeliveries: number;
  /** Extends the hold by another 30 s; call it every 10 s. */
  working(): void;
  /** Done: the task leaves the queue. Resolves once the server has confirmed it. */
  ack(): Promise<void>;
  /** Back to the queue, handed out again after `delayMs`. */
  nak(delayMs: number): Promise<void>;
  /** Never again: stored with the reason among the dead letters, then removed from the queue. */
  term(reason: string): Promise<void>;
}

export interface PullTasksOptions {
  /** Ends the iteration, quietly; tasks that were not handed out yet go back at once. */
  readonly signal: AbortSignal;
  /** Tasks held at a time: handed out and not settled yet, or about to be handed out. */
  readonly maxInFlight: number;
  /** Handed out this often without being settled, a task goes to the dead letters. Default 5. */
  readonly maxDeliveries?: number | undefined;
  /** Told before a task goes to the dead letters for that reason. */
  readonly onExhausted?: ((task: TaskMessage) => Promise<void>) | undefined;
}

/** How long a settlement is tried while NATS is away; after that the task is redelivered. */
const settleTimeoutMs = 60_000;
const attemptMs = 5_000;
const handBackMs = 2_000;

type Settlement = '+ACK' | `-NAK ${string}` | '+TERM';

export async function* pullTasks(nats: Nats, options: PullTasksOptions): AsyncGenerator<TaskMessage, void, void> {
  const maxDeliveries = options.maxDeliveries ?? maxTaskDeliveries;
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const queue = createMessageQueue<TaskMessage>();
  let held = 0;
  let wakePuller: (() => void) | undefined;

  function wake(): void {
    wakePuller?.();
    wakePuller = undefined;
  }

  function release(): void {
    held -= 1;
    wake();
  }

  const onAbort = (): void => {
    wake();
    queue.end();
  };
  signal.addEventListener('abort', onAbort, { once: true });

  function receive(message: Msg): void {
    const task = taskOf(nats, message, release);
    held += 1;
    if (task.redeliveries < maxDeliveries) queue.push(task);
    else void bury(nats, task, maxDeliveries, options.onExhausted);
  }

  async function pullForEver(): Promise<void> {
    while (!signal.aborted) {
      if (held >= options.maxInFlight) {
        await new Promise<void>((resolve) => (wakePuller = resolve));
        continue;
      }
      await nats.link.whenUp(signal);
      const end = await pull(nats, {
        stream: streams.tasks,
        consumer: workersConsumer,
        batch: options.maxInFlight - held,
        signal,
        onMessage: receive,
      });
      if (end === 'missing') await recreate(nats, signal);
    }
  }

  const puller = pullForEver().then(
    () => queue.end(),
    (error: unknown) => queue.end(signal.aborted ? undefined : errorFrom(error)),
  );
  try {
    while (!signal.aborted) {
      const next = await queue.next();
      if (next.done === true) return;
      if (signal.aborted) {
        await handBack([next.value, ...queue.drain()]);
        return;
      }
      yield next.value;
    }
  } finally {
    stop.abort();
    await puller;
    await handBack(queue.drain());
  }
}

async function handBack(tasks: readonly TaskMessage[]): Promise<void> {
  // If it cannot be said in time, the server finds out by itself after 30 s.
  const said = Promise.all(tasks.map((task) => task.nak(0).catch(() => {})));
  const timer = new AbortController();
  await Promise.race([said, sleep(handBackMs, timer.signal).catch(() => {})]);
  timer.abort();
}

async function recreate(nats: Nats, signal: AbortSignal): Promise<void> {
  nats.log.warn('the task queue does not exist; it is made again');
  try {
    await ensureStreams(nats);
  } catch (error) {
    nats.log.warn({ err: error }, 'the task queue could not be made');
  }
  await sleep(200, signal);
}

async function bury(
  nats: Nats,
  task: TaskMessage,
  maxDeliveries: number,
  onExhausted: PullTasksOptions['onExhausted'],
): Promise<void> {
  try {
    await onExhausted?.(task);
    await task.term(`handed out ${maxDeliveries} times and never settled`);
  } catch (error) {
    // It comes again, and is tried again then.
    nats.log.error({ err: error, sequence: task.sequence }, 'a task could not be moved to the dead letters');
    await task.nak(10_000).catch(() => {});
  }
}

function taskOf(nats: Nats, message: Msg, onSettled: () => void): TaskMessage {
  const reply = message.reply ?? '';
  const { deliveries, streamSequence } = parseDelivery(reply);
  const headers = message.headers ?? createHeaders();
  let settled = false;

  async function settle(settlement: Settlement): Promise<void> {
    if (settled) throw new TerminalError('failed_precondition', 'a task is settled once');
    settled = true;
    try {
      await confirm(nats, reply, settlement);
    } finally {
      onSettled();
    }
  }

  const task: TaskMessage = {
    data: message.data,
    headers,
    subject: message.subject,
    sequence: streamSequence,
    redeliveries: deliveries - 1,
    working() {
      if (!settled && !nats.nc.isClosed() && !nats.link.signal.aborted) message.respond('+WPI');
    },
    ack: () => settle('+ACK'),
    nak: (delayMs) => settle(`-NAK ${JSON.stringify({ delay: Math.max(0, Math.round(delayMs)) * 1_000_000 })}`),
    async term(reason) {
      await publishDeadLetter(nats, task, reason);
      // Servers before 2.10.4 do not understand a reason here; it is in the dead letter.
      await settle('+TERM');
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
async function confirm(nats: Nats, reply: string, settlement: Settlement): Promise<void> {
  using deadline = deadlineSignal(undefined, settleTimeoutMs, 'settling a task');
  await retry(
    async () => {
      await nats.link.whenUp(deadline.signal);
      try {
        const request = () => nats.nc.request(reply, settlement, { timeout: attemptMs });
        await onLink(nats.link, deadline.signal, request);
      } catch (thrown) {
        throw errorFromNats(thrown, 'settling a task');
      }
    },
    { signal: deadline.signal, attempts: Number.POSITIVE_INFINITY, baseMs: 50, maxMs: 1_000 },
  ).catch((error: unknown) => {
    throw errorFrom(error);
  });
}
