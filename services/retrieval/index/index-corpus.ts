import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildInThread } from './build-in-thread.ts';
import type { IndexSettingsInput } from './manifest.ts';
import { openIndex, type IndexData } from './open-index.ts';
import type { WriteIndexOptions } from './write-index.ts';

/**
 * Indexes a corpus for this process alone. The files have no name any more when this returns: their space is free as soon
 * as the process closes them or ends, however it ends.
 */
export async function indexCorpus(
  corpusPath: string,
  settings: IndexSettingsInput,
  options: Omit<WriteIndexOptions, 'corpusPath'> = {},
): Promise<IndexData> {
  const temporary = await mkdtemp(join(tmpdir(), 'gradus-index-'));
  try {
    const directory = join(temporary, 'index');
    await buildInThread({ corpusPath, directory, settings, ...options });
    return await openIndex(directory, { signal: options.signal });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
