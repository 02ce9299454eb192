/**
 * Tasks from the TASKS work queue. A task belongs to its taker until it is settled; a taker that says nothing for 2 s has
 * died, and its tasks are given to somebody else. Signs of life are sent here, for all that is held.
 *
 *     pulled --> handed out --> ack | nak | handBack | term | discard
 *        |            '--> (silence) --> redelivered
 *        '--> killed its workers, or failed too often --> dead letters
 */
import type { Msg } from '@nats-io/transport-node';

import { sleep } from '../async/sleep.ts';
import type { Nats } from './connect.ts';
import { parseDelivery } from './delivery.ts';
import { createDispatcher } from './dispatcher.ts';
import type { TaskPurpose } from './streams.ts';
import { pullByPurpose } from './pull-by-purpose.ts';
import { maxTaskDeliveries, taskHeartbeatMs } from './streams.ts';
import { blank, createRedeliveryRecords } from './redelivery-records.ts';
import type { RedeliveryRecord } from './redelivery-records.ts';
import { holdTask } from './task-message.ts';
import type { HeldTask, Settled, TaskMessage } from './task-message.ts';

export interface PullTasksOptions {
  /** Ends the iteration, quietly; tasks that were not handed out yet go back at once. */
  readonly signal: AbortSignal;
  /** Tasks handed out and not settled at a time. One more may be held and wait for a slot. */
  readonly maxInFlight: number;
  /** Fewer than that for the time being; asked again whenever a task is settled. One that shrank stops nothing. */
  readonly limitNow?: (() => number) | undefined;
  /** Returned as failed this often, or lost with its worker this often, a task goes to the dead letters. Default 5. */
  readonly maxDeliveries?: number | undefined;
  /** Called before a task goes to the dead letters for that reason. */
  readonly onExhausted?: ((task: TaskMessage, reason: string) => Promise<void>) | undefined;
}

const handBackMs = 2_000;
/** Workers that may die with a task before it is quarantined. */
const trustedDeaths = 2;
/** Whatever the records say, no task is handed out more often than this for each of `maxDeliveries`. */
const hardLimit = 20;

export async function* pullTasks(nats: Nats, options: PullTasksOptions): AsyncGenerator<TaskMessage, void, void> {
  const maxDeliveries = options.maxDeliveries ?? maxTaskDeliveries;
  const trusted = Math.min(trustedDeaths, maxDeliveries);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const records = createRedeliveryRecords(nats);
  const known = new Map<HeldTask, RedeliveryRecord>();
  const held = new Map<number, HeldTask>();
  const dispatcher = createDispatcher<HeldTask>(options.maxInFlight);
  const beats = setInterval(() => {
    for (const task of held.values()) task.beat();
  }, taskHeartbeatMs);

  async function settling(task: HeldTask, how: Settled): Promise<void> {
    if (how === 'done') {
      // Else the bucket would fill with tasks that went well in the end.
      if (task.redeliveries > 0) await records.forget(task.key);
      return;
    }
    const before = (await recordOf(task)) ?? blank;
    await records.write(task.key, { ...before, [how]: before[how] + 1 });
  }

  async function recordOf(task: HeldTask): Promise<RedeliveryRecord | undefined> {
    return known.get(task) ?? (task.redeliveries === 0 ? blank : await records.read(task.key));
  }

  function settled(task: HeldTask): void {
    known.delete(task);
    if (held.get(task.sequence) === task) held.delete(task.sequence);
    dispatcher.remove(task);
    puller.roomChanged();
    if (signal.aborted && held.size === 0) clearInterval(beats);
  }

  function receive(message: Msg, purpose: TaskPurpose): void {
    const present = held.get(parseDelivery(message.reply ?? '').streamSequence);
    // The lease ended while the task ran here (a stall, a server that was unavailable): nobody else has it now.
    if (present !== undefined && !present.settled) {
      present.adopt(message.reply ?? '');
      return;
    }
    const task = holdTask(nats, message, {
      settling,
      settled,
      // Where nobody knows why it came back, each hand-out counts: the bound has to hold without the records.
      failures: async (asked) => (await recordOf(asked))?.failed ?? asked.redeliveries,
    });
    held.set(task.sequence, task);
    if (task.redeliveries < trusted) dispatcher.offer(task, purpose);
    else void examine(task, purpose);
  }

  async function examine(task: HeldTask, purpose: TaskPurpose): Promise<void> {
    const record = (await records.read(task.key)) ?? blank;
    known.set(task, record);
    const deaths = task.redeliveries - record.failed - record.returned;
    if (record.failed >= maxDeliveries || task.redeliveries >= hardLimit * maxDeliveries) {
      await deadLetter(task, `failed ${record.failed} times, handed out ${task.redeliveries} times, and never settled`);
    } else if (deaths < trusted) {
      dispatcher.offer(task, purpose);
    } else if (record.starts >= maxDeliveries - trusted) {
      await deadLetter(
        task,
        `${deaths} workers died while they held it, the last ${record.starts} times with few others or none`,
      );
    } else {
      nats.log.warn(
        { sequence: task.sequence, deaths, starts: record.starts },
        'a task may kill its workers; it runs with few others or none',
      );
      dispatcher.offerQuarantined(task, record.starts === 0 ? 'apart' : 'alone');
    }
  }

  async function deadLetter(task: HeldTask, reason: string): Promise<void> {
    try {
      await options.onExhausted?.(task, reason);
      await task.term(reason);
    } catch (error) {
      // It comes again, and is tried again then.
      nats.log.error({ err: error, sequence: task.sequence }, 'a task could not be moved to the dead letters');
      await task.nak(10_000).catch(() => {});
    }
  }

  const puller = pullByPurpose(nats, {
    signal,
    room: () => Math.min(options.maxInFlight, options.limitNow?.() ?? Infinity) - held.size,
    receive,
  });
  const pulling = puller.ended.finally(() => dispatcher.end());
  pulling.catch(() => {});
  try {
    for (;;) {
      const task = await dispatcher.next();
      if (task === undefined) break;
      const record = known.get(task);
      // Before it begins: the record must outlive us.
      if (record !== undefined && task.redeliveries - record.failed - record.returned >= trusted)
        await records.write(task.key, { ...record, starts: record.starts + 1 });
      yield task;
    }
    await pulling;
  } finally {
    stop.abort();
    await pulling.catch(() => {});
    await handBack([...held.values()].filter((task) => !task.settled && !dispatcher.isRunning(task)));
    if (held.size === 0) clearInterval(beats);
  }
}

async function handBack(tasks: readonly TaskMessage[]): Promise<void> {
  // If it cannot be said in time, the server finds out by itself after the ack wait.
  const said = Promise.all(tasks.map((task) => task.handBack().catch(() => {})));
  const timer = new AbortController();
  await Promise.race([said, sleep(handBackMs, timer.signal).catch(() => {})]);
  timer.abort();
}
