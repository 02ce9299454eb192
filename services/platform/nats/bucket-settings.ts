/**
 * Every bucket, declared in one place. Who uses one makes it from here; one that exists with other settings, as a server keeps
 * it from an earlier version, is corrected with the streams.
 */
import { DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { nanos } from '@nats-io/transport-node';

import type { Nats } from './connect.ts';
import type { DeclaredStream } from './ensure-declared.ts';
import { bucketBytes } from './store-bounds.ts';
import { plainStream } from './stream-settings.ts';

export const leaseBucket = 'gradus-leases';
/** How soon another one can take over from a dead holder. Longer than a pause for garbage or a slow disk takes. */
export const leaseTtlMs = 3_000;
export const runningBucket = 'gradus-running';
/** The name is older than the word redelivery: stores that exist have it. */
export const redeliveryBucket = 'gradus_suspects';
/** A task that was not heard of for this long is judged anew. Longer than the longest rollout, 24 h. */
export const redeliveryTtlMs = 48 * 3600_000;
export const workersBucket = 'WORKERS';
/** Time between two statuses of a worker. */
export const statusIntervalMs = 3_000;
export const statusTtlMs = 5 * statusIntervalMs;
const forever = 0;
/** In memory: it reserves no disk. */
const workersBytes = 16 * 1024 ** 2;

interface BucketSettings {
  readonly ttlMs: number;
  readonly storage: StorageType;
  readonly maxBytes: number;
}

const buckets = {
  // On disk: a server that is restarted at once must not free every lease.
  [leaseBucket]: { ttlMs: leaseTtlMs, storage: StorageType.File, maxBytes: bucketBytes.leases },
  [runningBucket]: { ttlMs: forever, storage: StorageType.File, maxBytes: bucketBytes.running },
  [redeliveryBucket]: { ttlMs: redeliveryTtlMs, storage: StorageType.File, maxBytes: bucketBytes.redeliveries },
  [workersBucket]: { ttlMs: statusTtlMs, storage: StorageType.Memory, maxBytes: workersBytes },
} as const satisfies Readonly<Record<string, BucketSettings>>;

/** The bucket, made if missing. */
export async function openBucket(nats: Nats, name: keyof typeof buckets): Promise<KV> {
  if (nats.waitsForStreams === true) return await nats.kvm.open(name);
  const { ttlMs, storage, maxBytes } = buckets[name];
  return await nats.kvm.create(name, {
    history: 1,
    ttl: ttlMs,
    storage,
    max_bytes: maxBytes,
    ...(nats.replicas !== undefined && { replicas: nats.replicas }),
  });
}

/** Those that workers use, and may not make. */
export async function openBucketsOfWorkers(nats: Nats): Promise<void> {
  for (const name of [workersBucket, redeliveryBucket] as const) await openBucket(nats, name);
}

export const bucketsOfWorkers: readonly string[] = [`KV_${workersBucket}`, `KV_${redeliveryBucket}`];

export function declaredBuckets({ replicas }: Pick<Nats, 'replicas'>): readonly DeclaredStream[] {
  return Object.entries(buckets).map(([name, settings]) => declared(name, settings, replicas));
}

function declared(
  name: string,
  { ttlMs, storage, maxBytes }: BucketSettings,
  replicas: number | undefined,
): DeclaredStream {
  const subjects = [`$KV.${name}.>`];
  const settings = {
    ...plainStream,
    subjects,
    retention: RetentionPolicy.Limits,
    storage,
    discard: DiscardPolicy.New,
    max_msgs_per_subject: 1,
    max_age: nanos(ttlMs),
    // What a server gives by itself: two minutes, and never longer than an entry lives.
    duplicate_window: nanos(ttlMs === forever ? 120_000 : Math.min(ttlMs, 120_000)),
    allow_rollup_hdrs: true,
    ...(replicas !== undefined && { num_replicas: replicas }),
  };
  return {
    name: `KV_${name}`,
    subjects,
    settings,
    bounds: { defaultBytes: maxBytes, minimumBytes: maxBytes },
    wantedBytes: undefined,
  };
}
