/** Every stream, subject and durable consumer, declared in one place and created by one idempotent step. */
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import type { ConsumerConfig, StreamConfig, StreamState } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';

import { TerminalError } from '../errors.ts';
import type { Nats } from './connect.ts';
import { errorFromNats, isMissingResource } from './nats-errors.ts';

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

type TaskPurpose = keyof typeof workerConsumers;

export const subjects = {
  task: (runId: string, purpose: TaskPurpose) => `gradus.tasks.${token(runId)}.${purpose}`,
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

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;
/** Publishing the same message id again within this time changes nothing. */
export const duplicateWindowMs = 10 * 60_000;

type Declared = Partial<StreamConfig> & { readonly name: StreamName; readonly max_bytes: number };

function declaredStreams(
  nats: Nats,
  options: StreamOptions,
): readonly (Declared & { readonly wantedBytes: number | undefined })[] {
  const shared = {
    storage: StorageType.File,
    ...(nats.replicas !== undefined && { num_replicas: nats.replicas }),
    duplicate_window: nanos(duplicateWindowMs),
    allow_direct: true,
  };
  // What is full refuses: nothing but trajectories, which are trained on soon or never, is dropped to make room.
  const kept = { ...shared, retention: RetentionPolicy.Limits, discard: DiscardPolicy.New };
  return [
    {
      ...kept,
      name: streams.tasks,
      subjects: [subjects.anyTask('eval'), subjects.anyTask('train')],
      retention: RetentionPolicy.Workqueue,
      max_bytes: 256 * MiB,
      wantedBytes: options.taskMaxBytes,
    },
    {
      ...kept,
      name: streams.results,
      subjects: ['gradus.results.>'],
      max_bytes: GiB,
      wantedBytes: options.resultMaxBytes,
    },
    {
      ...kept,
      name: streams.ledger,
      subjects: ['gradus.ledger.>'],
      max_bytes: GiB,
      wantedBytes: options.ledgerMaxBytes,
    },
    {
      ...kept,
      name: streams.deadLetters,
      subjects: ['gradus.dead.>'],
      max_bytes: 256 * MiB,
      wantedBytes: options.deadLetterMaxBytes,
    },
    // Last: on a small disk it is the one that makes do with less.
    {
      ...kept,
      name: streams.trajectories,
      subjects: ['gradus.trajectories.>'],
      discard: DiscardPolicy.Old,
      max_bytes: 8 * GiB,
      wantedBytes: options.trajectoryMaxBytes,
    },
  ];
}

const sharedByWorkers: Partial<ConsumerConfig> = {
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.All,
  ack_wait: nanos(taskAckWaitMs),
  max_ack_pending: 65_536,
  // Without end: a message over the server's limit would stay in the stream for ever, handed to nobody. `pullTasks`
  // counts instead, and moves it to the dead letters.
  max_deliver: -1,
};

/** Creates what is missing and brings what exists up to date. Safe to call from every process, at the same time. */
export async function ensureStreams(nats: Nats, options: StreamOptions = {}): Promise<void> {
  for (const { wantedBytes, ...declared } of declaredStreams(nats, options))
    await ensureStream(nats, declared, wantedBytes);
  await ensureWorkers(nats);
}

async function ensureStream(nats: Nats, defaults: Declared, wantedBytes: number | undefined): Promise<void> {
  const { jsm } = nats;
  const declared = { ...defaults, ...(wantedBytes !== undefined && { max_bytes: wantedBytes }) };
  try {
    const { config, state } = await jsm.streams.info(declared.name);
    // A stream that somebody made smaller or larger stays so, unless a size is asked for; one without a bound gets one.
    const max_bytes =
      wantedBytes ?? (config.max_bytes > 0 ? config.max_bytes : Math.max(declared.max_bytes, state.bytes));
    const wanted = { ...config, ...declared, max_bytes };
    // The server would drop the oldest messages of a stream that is made smaller, also of one that refuses when it is full.
    if (wanted.discard === DiscardPolicy.New && max_bytes < state.bytes)
      throw tooSmall(declared.name, max_bytes, state);
    if (differs(config, wanted)) await jsm.streams.update(declared.name, wanted);
    return;
  } catch (error) {
    if (!isMissingResource(error)) throw errorFromNats(error, `stream ${declared.name}`);
  }
  try {
    await jsm.streams.add(declared);
  } catch (error) {
    if (isNoSpace(error) && declared.max_bytes > 64 * MiB) {
      const maxBytes = Math.floor(declared.max_bytes / 2);
      nats.log.warn({ stream: declared.name, maxBytes }, 'NATS has not the space asked for; a smaller stream is made');
      await ensureStream(nats, { ...declared, max_bytes: maxBytes }, undefined);
      return;
    }
    // Another process was faster, with the same declaration.
    if (!(error instanceof JetStreamApiError && error.code === 10058)) {
      throw errorFromNats(error, `stream ${declared.name}`);
    }
  }
}

function tooSmall(stream: string, maxBytes: number, { bytes, messages }: StreamState): TerminalError {
  return new TerminalError(
    'failed_precondition',
    `stream ${stream} holds ${bytes} bytes in ${messages} messages, and a size of ${maxBytes} bytes would drop some of them; ` +
      'wait until it is emptied, or give it more',
    { details: { bytes, maxBytes } },
  );
}

function isNoSpace(error: unknown): boolean {
  return error instanceof JetStreamApiError && (error.code === 10047 || error.code === 10023);
}

function differs(present: StreamConfig, wanted: StreamConfig): boolean {
  return Object.entries(wanted).some(
    ([key, value]) => JSON.stringify(Reflect.get(present, key)) !== JSON.stringify(value),
  );
}

async function ensureWorkers(nats: Nats): Promise<void> {
  // What its workers held is delivered again by the new ones.
  if (await hasConsumer(nats, formerConsumer)) {
    await nats.jsm.consumers.delete(streams.tasks, formerConsumer).catch((error: unknown) => {
      if (!isMissingResource(error)) throw errorFromNats(error, `consumer ${formerConsumer}`);
    });
  }
  for (const purpose of ['eval', 'train'] as const) {
    const name = workerConsumers[purpose];
    // Not added again where it is: that would disturb those who pull from it.
    if (await hasConsumer(nats, name)) continue;
    try {
      await nats.jsm.consumers.add(streams.tasks, {
        ...sharedByWorkers,
        durable_name: name,
        filter_subject: subjects.anyTask(purpose),
      });
    } catch (error) {
      throw errorFromNats(error, `consumer ${name} of ${streams.tasks}`);
    }
  }
}

async function hasConsumer(nats: Nats, name: string): Promise<boolean> {
  try {
    await nats.jsm.consumers.info(streams.tasks, name);
    return true;
  } catch (error) {
    if (isMissingResource(error)) return false;
    throw errorFromNats(error, `consumer ${name} of ${streams.tasks}`);
  }
}
