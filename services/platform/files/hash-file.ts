import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { errorFrom } from '../errors.ts';

/** SHA-256 of a file's bytes, lower-case hex. `onBytes` is called for each piece that is read. */
export async function hashFile(path: string, signal: AbortSignal, onBytes?: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  try {
    const stream = createReadStream(path, { signal, highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>;
    for await (const bytes of stream) {
      hash.update(bytes);
      onBytes?.(bytes.length);
    }
  } catch (thrown) {
    throw errorFrom(thrown);
  }
  return hash.digest('hex');
}
