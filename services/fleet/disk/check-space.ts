import { readdir, stat, statfs } from 'node:fs/promises';
import { join, dirname } from 'node:path';
import { TransientError } from '#platform/errors.ts';
import { defaultFreeDiskBytes, formatBytes, minimumFreeDiskBytes } from '#platform/nats/store-bounds.ts';

/** For logs, metrics, and checkpoints of a small model. */
const leastRunBytes = 64 * 1024 * 1024;

export interface SpaceToCheck {
  /** The store of NATS lies in <home>/nats. */
  readonly home: string;
  /** Where the services log; for a run, in its folder. */
  readonly logs: string;
}

/**
 * Whether what is about to start has room: throws with both numbers when it does not fit, and gives the warning when streams
 * have to be smaller than they are by default. A store that is there already has most of its room.
 */
export async function checkSpace(
  { home, logs }: SpaceToCheck,
  free: (path: string) => Promise<number> = freeBytes,
): Promise<string | undefined> {
  const store = join(home, 'nats');
  const [storeFree, logsFree, held] = await Promise.all([free(store), free(logs), bytesIn(store)]);
  if (logsFree < leastRunBytes) throw noRoom(logs, 'logs, metrics and checkpoints need', leastRunBytes, logsFree);
  const least = minimumFreeDiskBytes - held;
  if (storeFree < least) throw noRoom(store, 'the streams of NATS need', least, storeFree);
  const usual = defaultFreeDiskBytes - held;
  if (storeFree >= usual) return undefined;
  return (
    `the disk of ${store} has ${formatBytes(storeFree)} free, the streams of NATS take ${formatBytes(usual)} by default: ` +
    'they are made smaller, and a long run may fill them'
  );
}

function noRoom(path: string, what: string, neededBytes: number, free: number): TransientError {
  return new TransientError(
    'resource_exhausted',
    `the disk of ${path} has ${formatBytes(free)} free, and ${what} at least ${formatBytes(neededBytes)}; ` +
      'free some space, or use another --home',
  );
}

/** Bytes of all files below a folder; 0 when there is none. */
async function bytesIn(directory: string): Promise<number> {
  let names: string[];
  try {
    names = await readdir(directory, { recursive: true });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
    throw error;
  }
  let sum = 0;
  for (const name of names) {
    // It may have gone meanwhile.
    const found = await stat(join(directory, name)).catch(() => undefined);
    if (found?.isFile() === true) sum += found.size;
  }
  return sum;
}

/** Bytes that may still be written to the file system of `path`; of its nearest folder that exists when it does not. */
export async function freeBytes(path: string): Promise<number> {
  try {
    const { bsize, bavail, bfree, files, ffree } = await statfs(path);
    // Without an inode there is no room for another file, however many bytes are free.
    if (files > 0 && ffree === 0) return 0;
    return bsize * (process.getuid?.() === 0 ? bfree : bavail);
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isMissing || dirname(path) === path) throw error;
    return await freeBytes(dirname(path));
  }
}
