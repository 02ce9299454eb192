/**
 * The bucket in which each worker says every few seconds how it is. An entry that is not renewed vanishes by itself, so what
 * is there is alive. For people and for messages to them; nothing is decided by it.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { KV } from '@nats-io/kv';
import { WorkerStatusSchema } from '#proto/rollout/v1/worker_pb.ts';
import type { WorkerStatus } from '#proto/rollout/v1/worker_pb.ts';
import { deadlineSignal } from '../async/deadline-signal.ts';
import { openBucket, workersBucket } from './bucket-settings.ts';
import type { Nats } from './connect.ts';
import { onLink } from './link.ts';
import { decodeMessage } from './messages.ts';
import { errorFromNats } from './nats-errors.ts';

const subjectPrefix = `$KV.${workersBucket}.`;
const listedWorkers = 1_024;
const timeoutMs = 5_000;
/** It vanishes by itself, and a worker that ends has other things to do. */
const removeTimeoutMs = 500;

export interface WorkerStatuses {
  put(status: MessageInitShape<typeof WorkerStatusSchema> & { readonly workerId: string }): Promise<void>;
  /** A worker that ends is not to be seen for the time until its entry vanishes. */
  remove(workerId: string): Promise<void>;
  /** By worker id; at most 1024. */
  list(signal?: AbortSignal): Promise<WorkerStatus[]>;
}

/** Reads and writes the bucket; it is made on first use. */
export function createWorkerStatuses(nats: Nats): WorkerStatuses {
  let bucket: Promise<KV> | undefined;

  function open(): Promise<KV> {
    bucket ??= openBucket(nats, workersBucket);
    return bucket;
  }

  async function within<T>(
    what: string,
    options: { readonly signal?: AbortSignal | undefined; readonly withinMs?: number },
    use: (kv: KV) => Promise<T>,
  ): Promise<T> {
    using deadline = deadlineSignal(options.signal, options.withinMs ?? timeoutMs, what);
    await nats.link.whenUp(deadline.signal);
    try {
      return await onLink(nats.link, deadline.signal, async () => use(await open()));
    } catch (thrown) {
      // It lies in memory: a server that was restarted has it no more.
      bucket = undefined;
      throw errorFromNats(thrown, what);
    }
  }

  return {
    async put(status) {
      const data = toBinary(WorkerStatusSchema, create(WorkerStatusSchema, status));
      await within('reporting the status of a worker', {}, (kv) => kv.put(keyOf(status.workerId), data));
    },
    async remove(workerId) {
      await within('removing the status of a worker', { withinMs: removeTimeoutMs }, (kv) => kv.purge(keyOf(workerId)));
    },
    async list(signal) {
      return await within('reading the statuses of workers', { signal }, async (kv) => {
        // Not `kv.keys()`: with nats-server 2.9 it did not end on an empty bucket.
        const info = await nats.jsm.streams.info(`KV_${workersBucket}`, { subjects_filter: `${subjectPrefix}*` });
        const statuses: WorkerStatus[] = [];
        for (const subject of Object.keys(info.state.subjects ?? {}).slice(0, listedWorkers)) {
          const entry = await kv.get(subject.slice(subjectPrefix.length));
          // It may have been removed, or vanished in between.
          if (entry?.operation === 'PUT') statuses.push(decodeMessage(WorkerStatusSchema, entry.value));
        }
        return statuses.sort((a, b) => (a.workerId < b.workerId ? -1 : 1));
      });
    },
  };
}

/** Worker ids may contain anything, keys may not. */
function keyOf(workerId: string): string {
  return Buffer.from(workerId).toString('base64url');
}
