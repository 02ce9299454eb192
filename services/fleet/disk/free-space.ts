import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

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
