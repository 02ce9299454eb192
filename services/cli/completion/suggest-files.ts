import { readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Which files a value names; folders are always offered, to go into. */
export type FileKind = 'recipe' | 'file' | 'folder';

/** A word at a TAB is as it was typed, with the `~` that the shell expands when the command runs. */
export const expandTilde = (path: string): string => path.replace(/^~(?=\/|$)/, homedir());

/** Files and folders that `prefix` may become. Hidden ones are offered to a prefix that begins so only. */
export async function suggestFiles(prefix: string, kind: FileKind): Promise<string[]> {
  const at = prefix.lastIndexOf('/') + 1;
  const folder = prefix.slice(0, at);
  const begun = prefix.slice(at);
  let entries;
  try {
    entries = await readdir(folder === '' ? '.' : expandTilde(folder), { withFileTypes: true });
  } catch {
    // Not there, or closed to this user: nothing to offer.
    return [];
  }
  const offered = entries.filter(
    (entry) =>
      entry.name.startsWith(begun) &&
      (begun.startsWith('.') || !entry.name.startsWith('.')) &&
      !(entry.isDirectory() && entry.name === 'node_modules') &&
      (entry.isDirectory() || entry.isSymbolicLink() || fits(entry.name, kind)),
  );
  return offered.map((entry) => join(folder, entry.name) + (entry.isDirectory() ? '/' : '')).toSorted();
}

function fits(name: string, kind: FileKind): boolean {
  return kind === 'file' || (kind === 'recipe' && /\.ya?ml$/.test(name));
}
