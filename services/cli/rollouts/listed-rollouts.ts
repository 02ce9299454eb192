import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomically } from '#platform/files/write-atomically.ts';

const fileOf = (home: string): string => join(home, 'listed-rollouts');
const mostListed = 2_000;

/**
 * Keeps which rollouts were shown last in this home, for completion: reading the streams of a home would take it from a run that starts.
 * A home that cannot be written to, or a full disk, fails no command that shows rollouts.
 */
export async function keepListedRollouts(home: string, ids: readonly string[]): Promise<void> {
  try {
    await writeAtomically(fileOf(home), `${ids.slice(0, mostListed).join('\n')}\n`);
  } catch {
    // Completion offers what was listed before.
  }
}

export async function readListedRollouts(home: string): Promise<string[]> {
  try {
    return (await readFile(fileOf(home), 'utf8')).split('\n').filter((id) => /^[0-9a-z]+$/.test(id));
  } catch {
    // Nothing was listed yet.
    return [];
  }
}
