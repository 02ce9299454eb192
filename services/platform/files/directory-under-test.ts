import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/**
 * A new directory that goes with the test that asked for it.
 *
 * What the test stopped may write its last line while the directory is removed, so the removal is tried again.
 */
export async function temporaryDirectory(prefix = 'gradus-'): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), prefix));
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 10 }));
  return directory;
}
