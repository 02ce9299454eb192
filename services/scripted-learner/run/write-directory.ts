import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Fills a hidden neighbour and renames it to `target`: a reader, and a process that comes after a SIGKILL, sees all of it or none. */
export async function writeDirectory(
  target: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
  const partial = join(dirname(target), `.${basename(target)}.partial`);
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    await using file = await open(join(partial, name), 'wx');
    await file.writeFile(content);
    await file.sync();
  }
  await rm(target, { recursive: true, force: true });
  await rename(partial, target);
}
