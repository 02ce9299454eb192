/** Every stream, subject and durable consumer, declared in one place and created by one idempotent step. */
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import type { ConsumerConfig, StreamConfig } from '@nats-io/jetstream';
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

/** The durable pull consumer of TASKS that all workers share. */
export const workersConsumer = 'workers';

/** A task whose worker says nothing for this long is given to another one. */
export const taskAckWaitMs = 30_000;

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

export const subjects = {
  task: (runId: string, purpose: 'train' | 'eval') => `gradus.tasks.${token(runId)}.${purpose}`,
  trajectory: (runId: string) => `gradus.trajectories.${token(runId)}`,
  result: (runId: string) => `gradus.results.${token(runId)}`,
  ledger: (runId: string) => `gradus.ledger.${token(runId)}`,
  deadLetter: (runId: string) => `gradus.dead.${token(runId)}`,
} as const;

export interface StreamOptions {
  /** Size at which the oldest trajectories are dropped. */
  readonly trajectoryMaxBytes?: number | undefined;
}

const GiB = 1024 ** 3;
/** Publishing the same message id again within this time changes nothing. */
const duplicateWindowMs = 10 * 60_000;

type Declared = Partial<StreamConfig> & { readonly name: StreamName };

function declaredStreams(options: StreamOptions): readonly Declared[] {
  const shared = {
    storage: StorageType.File,
    num_replicas: 1,
    duplicate_window: nanos(duplicateWindowMs),
    allow_direct: true,
  };
  return [
    {
      ...shared,
      name: streams.tasks,
      subjects: ['gradus.tasks.>'],
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
    },
    {
      ...shared,
      name: streams.trajectories,
      subjects: ['gradus.trajectories.>'],
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      max_bytes: options.trajectoryMaxBytes ?? 8 * GiB,
    },
    { ...shared, name: streams.results, subjects: ['gradus.results.>'], retention: RetentionPolicy.Limits },
    { ...shared, name: streams.ledger, subjects: ['gradus.ledger.>'], retention: RetentionPolicy.Limits },
    { ...shared, name: streams.deadLetters, subjects: ['gradus.dead.>'], retention: RetentionPolicy.Limits },
  ];
}

const workers: Partial<ConsumerConfig> & { readonly durable_name: string } = {
  durable_name: workersConsumer,
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.All,
  ack_wait: nanos(taskAckWaitMs),
  max_ack_pending: 4_096,
  // Without end: a message over the server's limit would stay in the stream for ever, handed to nobody. `pullTasks`
  // counts instead, and moves it to the dead letters.
  max_deliver: -1,
};

/** Creates what is missing and brings what exists up to date. Safe to call from every process, at the same time. */
export async function ensureStreams(nats: Nats, options: StreamOptions = {}): Promise<void> {
  for (const declared of declaredStreams(options)) await ensureStream(nats, declared);
  await ensureWorkers(nats);
}

async function ensureStream(nats: Nats, declared: Declared): Promise<void> {
  const { jsm } = nats;
  try {
    const info = await jsm.streams.info(declared.name);
    if (differs(info.config, declared)) await jsm.streams.update(declared.name, { ...info.config, ...declared });
    return;
  } catch (error) {
    if (!isMissingResource(error)) throw errorFromNats(error, `stream ${declared.name}`);
  }
  try {
    await jsm.streams.add(declared);
  } catch (error) {
    if (isNoSpace(error) && (declared.max_bytes ?? -1) > GiB / 4) {
      const maxBytes = Math.floor((declared.max_bytes ?? GiB) / 2);
      nats.log.warn({ stream: declared.name, maxBytes }, 'NATS has not the space asked for; a smaller stream is made');
      await ensureStream(nats, { ...declared, max_bytes: maxBytes });
      return;
    }
    // Another process was faster, with the same declaration.
    if (!(error instanceof JetStreamApiError && error.code === 10058)) {
      throw errorFromNats(error, `stream ${declared.name}`);
    }
  }
}

function isNoSpace(error: unknown): boolean {
  return error instanceof JetStreamApiError && (error.code === 10047 || error.code === 10023);
}

function differs(present: StreamConfig, declared: Declared): boolean {
  // A stream that had to be made smaller stays so.
  const { max_bytes: _maxBytes, ...compared } = declared;
  return Object.entries(compared).some(
    ([key, value]) => JSON.stringify(Reflect.get(present, key)) !== JSON.stringify(value),
  );
}

async function ensureWorkers(nats: Nats): Promise<void> {
  const { jsm } = nats;
  try {
    await jsm.consumers.info(streams.tasks, workersConsumer);
    return;
  } catch (error) {
    if (!isMissingResource(error)) throw errorFromNats(error, `consumer ${workersConsumer}`);
  }
  try {
    // Adding the same consumer twice is no error.
    await jsm.consumers.add(streams.tasks, workers);
  } catch (error) {
    throw errorFromNats(error, `consumer ${workersConsumer} of ${streams.tasks}`);
  }
}
