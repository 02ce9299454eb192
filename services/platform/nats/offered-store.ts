import { readFile, statfs } from 'node:fs/promises';
import { offeredShare } from './store-bounds.ts';

/**
 * How many bytes a server offers to the streams in `directory`: what `configFile` says of its last start, or more when the disk has
 * more by now. A server that counts anew finds less on a disk that its own streams have begun to fill, and does not bring
 * back a stream whose bound no longer fits: it would be missing until somebody makes it again.
 */
export async function offeredStoreBytes(directory: string, configFile: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  const now = Math.floor(offeredShare * bavail * bsize);
  const before = /max_file_store: (\d+)\b/.exec(await readFile(configFile, 'utf8').catch(() => ''))?.[1];
  return Math.max(now, Number(before ?? 0));
}
