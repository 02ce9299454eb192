import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { errorFrom } from '#shared/errors.ts';

/** SHA-256 of a file's bytes, lower-case hex. */
export async function hashFile(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const bytes of createReadStream(path, { signal, highWaterMark: 1024 * 1024 })) hash.update(bytes);
  } catch (thrown) {
    throw errorFrom(thrown);
  }
  return hash.digest('hex');
}
