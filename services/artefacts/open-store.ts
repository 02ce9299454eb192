import { isAbsolute } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import type { BlobStore } from './blob-store.ts';
import { createFolderStore } from './stores/folder.ts';
import { openNatsStore } from './stores/nats.ts';
import { createS3Store } from './stores/s3.ts';

export interface StoreAccess {
  /** For `nats:`; called only then. */
  readonly nats?: (() => Promise<Nats>) | undefined;
  /** Most bytes of a bucket of NATS that is made here; absent: what the server has. */
  readonly maxBytes?: number | undefined;
  /** For `s3:`. */
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
}

/** An absolute path; `nats:BUCKET`; `s3://BUCKET/PREFIX?endpoint=http://HOST:PORT&region=REGION`. */
export async function openStore(address: string, access: StoreAccess = {}): Promise<BlobStore> {
  const refuse = (why: string): TerminalError => new TerminalError('invalid_argument', `store is '${address}'; ${why}`);
  if (isAbsolute(address)) return createFolderStore(address);
  if (address.startsWith('nats:')) {
    const bucket = address.slice('nats:'.length);
    if (!/^[A-Za-z0-9_-]+$/.test(bucket))
      throw refuse('nats: needs a bucket of letters, digits, _ and -, like nats:artefacts');
    if (access.nats === undefined) throw refuse('this program has no connection to NATS; give --nats-url');
    return await openNatsStore(await access.nats(), bucket, { maxBytes: access.maxBytes });
  }
  if (address.startsWith('s3://')) {
    if (!URL.canParse(address)) throw refuse('it cannot be read as an address');
    const { host, pathname, searchParams } = new URL(address);
    const region = searchParams.get('region') ?? 'us-east-1';
    const endpoint = searchParams.get('endpoint') ?? `https://s3.${region}.amazonaws.com`;
    const unknown = [...searchParams.keys()].filter((key) => key !== 'region' && key !== 'endpoint');
    if (unknown.length > 0) throw refuse(`${unknown.join(', ')} is unknown; endpoint and region are known`);
    if (host === '') throw refuse('it names no bucket; write s3://BUCKET/PREFIX');
    if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) throw refuse('endpoint must be http:// or https://');
    const { accessKeyId, secretAccessKey } = access;
    if (accessKeyId === undefined || secretAccessKey === undefined)
      throw refuse('it needs keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY');
    const path = pathname.replace(/^\/+|\/+$/g, '');
    return createS3Store({
      endpoint,
      bucket: host,
      prefix: path === '' ? '' : `${path}/`,
      region,
      accessKeyId,
      secretAccessKey,
    });
  }
  throw refuse('give an absolute path, nats:BUCKET or s3://BUCKET/PREFIX');
}
