/**
 * What is known of tasks that were handed out repeatedly, in a KV bucket. JetStream counts hand-outs, but not why a task came
 * back: because its worker died, or because a live one returned it. Only deaths put a task into quarantine. A task that goes
 * well the first time leaves no record.
 */
import type { KV } from '@nats-io/kv';
import { z } from 'zod';

import { errorFrom } from '../errors.ts';
import { openBucket, redeliveryBucket } from './bucket-settings.ts';
import type { Nats } from './connect.ts';

export interface RedeliveryRecord {
  /** Times a worker that lives gave it back because it failed there. */
  readonly failed: number;
  /** Times a worker gave it back because it stopped. */
  readonly returned: number;
  /** Times it was begun in quarantine, and no end was recorded. */
  readonly starts: number;
}

export interface RedeliveryRecords {
  /** Undefined where it cannot be read; blank where there is none. */
  read(key: string): Promise<RedeliveryRecord | undefined>;
  write(key: string, record: RedeliveryRecord): Promise<void>;
  forget(key: string): Promise<void>;
}

export const blank: RedeliveryRecord = { failed: 0, returned: 0, starts: 0 };

const count = z.int().min(0);
const recordSchema = z.object({ failed: count, returned: count, starts: count });

/** Best effort: without a record a task counts as known by its hand-outs alone. Nothing here throws. */
export function createRedeliveryRecords(nats: Nats): RedeliveryRecords {
  let opened: Promise<KV> | undefined;

  async function withBucket<T>(what: string, otherwise: T, use: (kv: KV) => Promise<T>): Promise<T> {
    try {
      opened ??= openBucket(nats, redeliveryBucket);
      return await use(await opened);
    } catch (error) {
      opened = undefined;
      nats.log.warn({ err: errorFrom(error) }, `the record of a redelivered task could not be ${what}`);
      return otherwise;
    }
  }

  return {
    read: (key) =>
      withBucket<RedeliveryRecord | undefined>('read', undefined, async (kv) => {
        const entry = await kv.get(key);
        return entry === null || entry.operation !== 'PUT' ? blank : recordSchema.parse(entry.json());
      }),
    write: (key, record) =>
      withBucket('written', undefined, async (kv) => void (await kv.put(key, JSON.stringify(record)))),
    forget: (key) => withBucket('removed', undefined, (kv) => kv.purge(key)),
  };
}
