import { readdir, rm } from 'node:fs/promises';
import { getCompileCacheDir } from 'node:module';
import { dirname, join } from 'node:path';
import { repositoryRoot } from '#platform/repository.ts';

/** Of one checkout there are about 6,000, in 30 MiB. */
const mostFiles = 20_000;

const ours = join(repositoryRoot, 'node_modules/.cache/node-compile');

/**
 * Empties the compiled modules that `bin/gradus` keeps where they are too many: Node.js removes none, though a file has one for each path and set of
 * flags. What starts next compiles anew. A folder that the user names in NODE_COMPILE_CACHE is left alone.
 */
export async function boundCompileCache(
  inUse = getCompileCacheDir(),
  directory = ours,
  most = mostFiles,
): Promise<void> {
  if (inUse === undefined || dirname(inUse) !== directory) return;
  try {
    let files = 0;
    // One folder for each version and set of flags of Node.js.
    for (const folder of await readdir(directory)) files += (await readdir(join(directory, folder))).length;
    if (files > most) await rm(directory, { recursive: true, force: true });
  } catch {
    // Another process writes there, or we may not: the next start tries again, and a cache is not worth a fleet.
  }
}
