import { access } from 'node:fs/promises';

export async function isReadable(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    // Absent or not ours to read: the caller names it.
    return false;
  }
}
