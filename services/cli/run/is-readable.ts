import { access, constants } from 'node:fs/promises';
import { unreadable } from '#platform/files/file-error.ts';

export async function isReadable(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    // Absent or not ours to read: the caller names it.
    return false;
  }
}

/** Why a file that somebody named cannot be read, and what to do; undefined when it can. */
export async function fileProblem(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.R_OK);
    return undefined;
  } catch (thrown) {
    return unreadable(thrown);
  }
}
