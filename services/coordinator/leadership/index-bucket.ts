import { openBucket, runningBucket as bucket } from '#platform/nats/bucket-settings.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { onLink } from '#platform/nats/link.ts';
import { errorFromNats, isMissingResource } from '#platform/nats/nats-errors.ts';

/** The bucket of runs that go on or wait. It only saves reading every ledger: what it says too much is found out there. */
export interface IndexBucket {
  /** Keys that match, with `*` for a part between dots; none where there is no bucket yet. */
  keys(filter: string, signal: AbortSignal): Promise<string[]>;
  /** Undefined where there is no such entry. */
  get(key: string, signal: AbortSignal): Promise<string | undefined>;
  /** Replaces what matches `others` by one entry. */
  put(key: string, value: string, others: string, signal: AbortSignal): Promise<void>;
  remove(filter: string, signal: AbortSignal): Promise<void>;
}

const prefix = `$KV.${bucket}.`;

export function createIndexBucket(nats: Nats): IndexBucket {
  const { jsm } = nats;
  async function ask<T>(signal: AbortSignal, request: () => Promise<T>): Promise<T> {
    await nats.link.whenUp(signal);
    try {
      return await onLink(nats.link, signal, request);
    } catch (thrown) {
      throw errorFromNats(thrown, `bucket ${bucket}`);
    }
  }
  const open = (signal: AbortSignal) => ask(signal, () => openBucket(nats, bucket));
  // Purged rather than deleted: a deletion would leave a mark that counts as an entry.
  const purge = (filter: string) => jsm.streams.purge(`KV_${bucket}`, { filter: `${prefix}${filter}` });

  return {
    async keys(filter, signal) {
      try {
        const info = await ask(signal, () =>
          jsm.streams.info(`KV_${bucket}`, { subjects_filter: `${prefix}${filter}` }),
        );
        return Object.keys(info.state.subjects ?? {}).map((found) => found.slice(prefix.length));
      } catch (thrown) {
        if (thrown instanceof Error && isMissingResource(thrown.cause)) return [];
        throw thrown;
      }
    },
    async get(key, signal) {
      const kv = await open(signal);
      return (await ask(signal, () => kv.get(key)))?.string();
    },
    async put(key, value, others, signal) {
      const kv = await open(signal);
      await ask(signal, () => purge(others));
      await ask(signal, () => kv.put(key, value));
    },
    async remove(filter, signal) {
      await open(signal);
      await ask(signal, () => purge(filter));
    },
  };
}
