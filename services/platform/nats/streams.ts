/** Every stream, subject and durable consumer, declared in one place and created by one idempotent step. */
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import type { ConsumerInfo } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';

import { retry } from '../async/retry.ts';
import { TerminalError, TransientError } from '../errors.ts';
import type { Nats } from './connect.ts';
import { bucketsOfWorkers, declaredBuckets, openBucketsOfWorkers } from './bucket-settings.ts';
import { ensureDeclared } from './ensure-declared.ts';
import type { DeclaredStream } from './ensure-declared.ts';
import { onLink } from './link.ts';
import { errorFromNats, isMissingResource } from './nats-errors.ts';
import { streamBounds } from './store-bounds.ts';
import { differencesOf, plainConsumer, plainStream, subjectsOverlap } from './stream-settings.ts';
import type { Settings } from './stream-settings.ts';

export const streams = {
  tasks: 'TASKS',
  trajectories: 'TRAJECTORIES',
  results: 'RESULTS',
  ledger: 'LEDGER',
  deadLetters: 'DEAD_LETTERS',
} as const;
export type StreamName = (typeof streams)[keyof typeof streams];

/** The durable pull consumers of TASKS that all workers share: one per purpose, so that evaluation can go first. */
export const workerConsumers = { eval: 'workers_eval', train: 'workers_train' } as const;

/** The one consumer of earlier versions; it would overlap with those two. */
const formerConsumer = 'workers';

/** A task whose worker says nothing for this long is given to another one: what a worker's death costs. */
export const taskAckWaitMs = 2_000;

/** Time between two signs of life. A worker may stall for the rest of the wait. */
export const taskHeartbeatMs = 500;

/** How often a task is handed out before it goes to the dead letters. */
export const maxTaskDeliveries = 5;

/** Run ids are one token of a subject. */
function token(runId: string): string {
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(runId)) {
    throw new TerminalError(
      'invalid_argument',
      `run id '${runId}' cannot be part of a NATS subject; use 1 to 128 letters, digits, '-' and '_'`,
    );
  }
  return runId;
}

export type TaskPurpose = keyof typeof workerConsumers;

export const subjects = {
  task: (runId: string, purpose: TaskPurpose) => `gradus.tasks.${token(runId)}.${purpose}`,
  tasksOf: (runId: string) => `gradus.tasks.${token(runId)}.*`,
  anyTask: (purpose: TaskPurpose) => `gradus.tasks.*.${purpose}`,
  trajectory: (runId: string) => `gradus.trajectories.${token(runId)}`,
  result: (runId: string) => `gradus.results.${token(runId)}`,
  ledger: (runId: string) => `gradus.ledger.${token(runId)}`,
  deadLetter: (runId: string) => `gradus.dead.${token(runId)}`,
  anyDeadLetter: 'gradus.dead.*',
  /** Core NATS, not stored: tasks that nobody waits for any more. */
  cancel: (runId: string) => `gradus.cancel.${token(runId)}`,
  anyCancel: 'gradus.cancel.*',
  /** Core NATS, a request without content: is there a coordinator in the fleet that would take over a run? */
  succession: (fleetId: string) => `gradus.succession.${token(fleetId)}`,
} as const;

/** Largest size of each stream in bytes; what is left out keeps the size it has, or gets its default. */
export interface StreamOptions {
  /** Default 256 MiB. When it is full, publishers wait. */
  readonly taskMaxBytes?: number | undefined;
  /** Size at which the oldest trajectories are dropped. Default 8 GiB. */
  readonly trajectoryMaxBytes?: number | undefined;
  /** Default 1 GiB, more than a million rollouts. */
  readonly resultMaxBytes?: number | undefined;
  /** Default 1 GiB. */
  readonly ledgerMaxBytes?: number | undefined;
  /** Default 256 MiB. */
  readonly deadLetterMaxBytes?: number | undefined;
}

/** Publishing the same message id again within this time changes nothing. */
export const duplicateWindowMs = 10 * 60_000;

function declaredStreams(nats: Nats, options: StreamOptions): readonly DeclaredStream[] {
  const kept: Settings = {
    ...plainStream,
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    // What is full refuses: nothing but trajectories, which are trained on soon or never, is dropped to make room.
    discard: DiscardPolicy.New,
    duplicate_window: nanos(duplicateWindowMs),
    ...(nats.replicas !== undefined && { num_replicas: nats.replicas }),
  };
  const stream = (
    name: StreamName,
    taken: readonly string[],
    wantedBytes: number | undefined,
    other: Settings = {},
  ) => ({
    name,
    subjects: taken,
    settings: { ...kept, subjects: taken, ...other },
    bounds: streamBounds[name],
    wantedBytes,
  });
  const tasks = [subjects.anyTask('eval'), subjects.anyTask('train')];
  return [
    stream(streams.tasks, tasks, options.taskMaxBytes, { retention: RetentionPolicy.Workqueue }),
    stream(streams.results, ['gradus.results.>'], options.resultMaxBytes),
    stream(streams.ledger, ['gradus.ledger.>'], options.ledgerMaxBytes),
    stream(streams.deadLetters, ['gradus.dead.>'], options.deadLetterMaxBytes),
    stream(streams.trajectories, ['gradus.trajectories.>'], options.trajectoryMaxBytes, {
      discard: DiscardPolicy.Old,
    }),
  ];
}

const sharedByWorkers = {
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.All,
  ack_wait: nanos(taskAckWaitMs),
  max_ack_pending: 65_536,
  // Without end: a message over the server's limit would stay in the stream forever, handed to nobody. `pullTasks`
  // counts instead, and moves it to the dead letters.
  max_deliver: -1,
  replay_policy: ReplayPolicy.Instant,
};

/**
 * Creates what is missing and brings what exists up to date; what cannot be is `failed_precondition`, all of it at once. Safe to call
 * from every process, at the same time.
 */
export async function ensureStreams(nats: Nats, options: StreamOptions = {}): Promise<void> {
  if (nats.waitsForStreams === true) {
    await untilMade(nats);
    return;
  }
  await ensureDeclared(nats, declaredStreams(nats, options), declaredBuckets(nats));
  await ensureWorkers(nats);
  if (nats.makesForOthers === true) await openBucketsOfWorkers(nats);
}

/** A coordinator may start later than those who use its streams. */
const madeWithinMs = 120_000;

async function untilMade(nats: Nats): Promise<void> {
  await retry(
    async () => {
      const missing: string[] = [];
      for (const name of [...Object.values(streams), ...bucketsOfWorkers])
        if (!(await isThere(() => nats.jsm.streams.info(name)))) missing.push(name);
      for (const name of Object.values(workerConsumers))
        if (!(await isThere(() => nats.jsm.consumers.info(streams.tasks, name)))) missing.push(name);
      if (missing.length > 0)
        throw new TransientError(
          'unavailable',
          `NATS lacks ${missing.join(', ')}, which a coordinator makes; is one running?`,
        );
    },
    { baseMs: 200, maxMs: 1_000, withinMs: madeWithinMs },
  );
}

async function isThere(look: () => Promise<unknown>): Promise<boolean> {
  try {
    await look();
    return true;
  } catch (error) {
    if (isMissingResource(error)) return false;
    throw errorFromNats(error, 'looking for streams');
  }
}

async function ensureWorkers(nats: Nats): Promise<void> {
  // What its workers held is delivered again by the new ones.
  if ((await consumerInfo(nats, formerConsumer)) !== undefined) await deleteConsumer(nats, formerConsumer);
  for (const purpose of ['eval', 'train'] as const) {
    const name = workerConsumers[purpose];
    const info = await consumerInfo(nats, name);
    const declared = { ...plainConsumer, ...sharedByWorkers, filter_subject: subjects.anyTask(purpose) };
    const differences = info === undefined ? [] : differencesOf({ ...info.config, paused: info.paused }, declared);
    // Not added again where it is right: that would disturb those who pull from it.
    if (info !== undefined && differences.length === 0) continue;
    for (const { setting, is, needed } of differences)
      nats.log.warn(
        { consumer: name, setting, was: is, now: needed },
        'a consumer has another setting; it is made again',
      );
    // Servers change few settings of a consumer. Nothing is lost: the new one hands out all that is queued.
    if (info !== undefined) await deleteConsumer(nats, name);
    await addWorkerConsumer(nats, purpose);
  }
}

async function addWorkerConsumer(nats: Nats, purpose: TaskPurpose): Promise<void> {
  const name = workerConsumers[purpose];
  const filter_subject = subjects.anyTask(purpose);
  try {
    await nats.jsm.consumers.add(streams.tasks, { ...sharedByWorkers, durable_name: name, filter_subject });
  } catch (error) {
    const others = await takers(nats, filter_subject);
    if (others.length === 0) throw errorFromNats(error, `consumer ${name} of ${streams.tasks}`);
    throw new TerminalError(
      'failed_precondition',
      `consumers of stream ${streams.tasks} take the tasks that ${name} is to take (${filter_subject}); delete them: ` +
        others.map((other) => `nats consumer rm ${streams.tasks} ${other}`).join('; '),
      { cause: error },
    );
  }
}

/** Consumers that are not ours and take the same tasks. */
async function takers(nats: Nats, filter: string): Promise<string[]> {
  const ours: readonly string[] = Object.values(workerConsumers);
  const found: string[] = [];
  for await (const { name, config } of nats.jsm.consumers.list(streams.tasks)) {
    const theirs = config.filter_subjects ?? [config.filter_subject ?? '>'];
    if (!ours.includes(name) && theirs.some((each) => subjectsOverlap(each, filter))) found.push(name);
  }
  return found;
}

async function deleteConsumer(nats: Nats, name: string): Promise<void> {
  try {
    await nats.jsm.consumers.delete(streams.tasks, name);
  } catch (error) {
    if (!isMissingResource(error)) throw errorFromNats(error, `consumer ${name} of ${streams.tasks}`);
  }
}

/**
 * Makes a consumer of the workers anew: it hands out all that is queued. Those who pull from it hear that it is missing and ask
 * again, and acknowledgements of earlier deliveries remove their task as before.
 */
export async function recreateWorkerConsumer(nats: Nats, purpose: TaskPurpose, signal: AbortSignal): Promise<void> {
  await onLink(nats.link, signal, () => deleteConsumer(nats, workerConsumers[purpose]));
  await onLink(nats.link, signal, () => addWorkerConsumer(nats, purpose));
}

async function consumerInfo(nats: Nats, name: string): Promise<ConsumerInfo | undefined> {
  try {
    return await nats.jsm.consumers.info(streams.tasks, name);
  } catch (error) {
    if (isMissingResource(error)) return undefined;
    throw errorFromNats(error, `consumer ${name} of ${streams.tasks}`);
  }
}
