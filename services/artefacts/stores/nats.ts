import { Objm, setSha256Backend } from '@nats-io/obj';
import type { ObjectStore } from '@nats-io/obj';
import type { Nats } from '#platform/nats/connect.ts';
import { errorFromNats } from '#platform/nats/nats-errors.ts';
import type { BlobStore } from '../blob-store.ts';

/** One message of NATS holds 128 KiB of it; a part is in memory as a whole. */
const partBytes = 8 * 1024 * 1024;

export interface NatsStoreOptions {
  /** Most bytes that the bucket takes; absent: what the server has. */
  readonly maxBytes?: number | undefined;
}

/** NATS's object store: for small clusters without another. The connection stays the caller's. */
export async function openNatsStore(
  nats: Nats,
  bucket: string,
  { maxBytes }: NatsStoreOptions = {},
): Promise<BlobStore> {
  // The client's own hash is in JavaScript, and takes longer than NATS does.
  setSha256Backend('native');
  const url = `nats:${bucket}`;
  const asked = async <T>(call: () => Promise<T>): Promise<T> => {
    try {
      return await call();
    } catch (thrown) {
      throw errorFromNats(thrown, url);
    }
  };
  const objects: ObjectStore = await asked(() =>
    new Objm(nats.js).create(bucket, {
      description: 'Artefacts of gradus, by digest',
      ...(nats.replicas === undefined ? {} : { replicas: nats.replicas }),
      ...(maxBytes === undefined ? {} : { max_bytes: maxBytes }),
    }),
  );
  const there = async (key: string) => {
    const info = await objects.info(key);
    return info !== null && !info.deleted ? info : undefined;
  };
  return {
    url,
    partBytes,
    has: (key) => asked(async () => (await there(key)) !== undefined),
    read: (key) =>
      asked(async () => ((await there(key)) === undefined ? undefined : ((await objects.getBlob(key)) ?? undefined))),
    write: (key, bytes) => asked(async () => void (await objects.putBlob({ name: key }, bytes))),
    remove: (key) =>
      asked(async () => {
        if ((await there(key)) !== undefined) await objects.delete(key);
      }),
    list: (prefix) =>
      asked(async () =>
        (await objects.list())
          .filter(({ name, deleted }) => !deleted && name.startsWith(prefix))
          .map(({ name, size, mtime }) => ({ key: name, sizeBytes: size, writtenMs: Date.parse(mtime) })),
      ),
  };
}
