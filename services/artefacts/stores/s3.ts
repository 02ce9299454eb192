import { S3NetworkError, S3ServiceError, S3mini } from 's3mini';
import { z } from 'zod';
import { retry } from '#platform/async/retry.ts';
import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import type { GradusError } from '#platform/errors.ts';
import type { BlobStore, StoredBlob } from '../blob-store.ts';

const partBytes = 32 * 1024 * 1024;
const attempts = 5;

export interface S3Options {
  /** `http://host:port` or `https://host`, without the bucket. */
  readonly endpoint: string;
  readonly bucket: string;
  /** Ends with a slash, or is empty. */
  readonly prefix: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Any storage that speaks S3's API with paths for buckets. The bucket has to be there. */
export function createS3Store(options: S3Options): BlobStore {
  const { bucket, prefix } = options;
  const url = `s3://${bucket}/${prefix}`;
  const client = new S3mini({
    endpoint: `${options.endpoint.replace(/\/$/, '')}/${bucket}`,
    region: options.region,
    accessKeyId: options.accessKeyId,
    secretAccessKey: options.secretAccessKey,
    requestAbortTimeout: 120_000,
  });
  const asked = <T>(call: () => Promise<T>): Promise<T> =>
    retry(call, { baseMs: 200, attempts, errorOf: (thrown) => errorOfS3(url, thrown) });
  return {
    url,
    partBytes,
    has: (key) =>
      asked(async () => {
        const answer = await client.objectExists(prefix + key);
        return answer === true;
      }),
    read: (key) =>
      asked(async () => {
        const bytes = await client.getObjectArrayBuffer(prefix + key);
        return bytes === null ? undefined : new Uint8Array(bytes);
      }),
    write: (key, bytes) =>
      asked(async () => void (await client.putObject(prefix + key, Buffer.from(bytes), 'application/octet-stream'))),
    remove: (key) => asked(async () => void (await client.deleteObject(prefix + key))),
    list: (below) =>
      asked(async () =>
        ((await client.listObjects('/', prefix + below)) ?? []).map(({ Key, Size, LastModified }): StoredBlob => ({
          key: Key.slice(prefix.length),
          // Read from XML: the package promises a number.
          sizeBytes: z.coerce.number().parse(Size),
          writtenMs: new Date(LastModified).getTime(),
        })),
      ),
  };
}

function errorOfS3(url: string, thrown: unknown): GradusError {
  if (thrown instanceof S3ServiceError) {
    const said = `${url}: ${thrown.serviceCode ?? thrown.message} (HTTP ${thrown.status})`;
    if (thrown.status === 403)
      return new TerminalError('permission_denied', `${said}; check the keys and their rights`, { cause: thrown });
    if (thrown.status === 404)
      return new TerminalError('not_found', `${said}; make the bucket, or name another`, { cause: thrown });
    if (thrown.status >= 500 || thrown.status === 429)
      return new TransientError('unavailable', said, { cause: thrown });
    return new TerminalError('invalid_argument', said, { cause: thrown });
  }
  if (thrown instanceof S3NetworkError)
    return new TransientError('unavailable', `${url}: ${thrown.message}`, { cause: thrown });
  return errorFrom(thrown);
}
