import type { BlobStore } from '#artefacts/blob-store.ts';
import { openStore } from '#artefacts/open-store.ts';
import { openOperator } from '#fleet/credentials-directory.ts';
import { connectNats } from '#platform/nats/connect.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { createLogger } from '#platform/telemetry/logging.ts';

export interface StorePlace {
  readonly store: string;
  /** For nats:BUCKET. */
  readonly natsUrl: string;
  readonly credentials?: string | undefined;
}

/** A store of artefacts as a command of a person uses it, with S3's keys from the environment. */
export async function withStore<T>(
  { store: address, natsUrl, credentials }: StorePlace,
  signal: AbortSignal,
  work: (store: BlobStore) => Promise<T>,
): Promise<T> {
  const security = await openOperator(credentials);
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env;
  let nats: Nats | undefined;
  try {
    const log = createLogger({ service: 'gradus', level: 'error' });
    const connect = async (): Promise<Nats> =>
      (nats = await connectNats({ url: natsUrl, name: 'artefact', log, signal, security }));
    return await work(await openStore(address, { accessKeyId, secretAccessKey, nats: connect }));
  } finally {
    await nats?.close();
  }
}
