import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { digestOf, manifestJson, manifestName, type FileDigests, type Manifest } from '#weights/manifest.ts';

/**
 * Fills a hidden neighbour and renames it to `target`: a reader, and a process that comes after a SIGKILL, sees all of it
 * or none. The manifest is the last of its files. Gives the digests of the others.
 */
export async function writeDirectory(
  target: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  about: Pick<Manifest, 'kind' | 'runId' | 'step'>,
): Promise<FileDigests> {
  const digests = Object.fromEntries(Object.entries(files).map(([name, content]) => [name, digestOf(content)]));
  const all = { ...files, [manifestName]: manifestJson({ ...about, files: digests }) };
  const partial = join(dirname(target), `.${basename(target)}.partial`);
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true, mode: 0o700 });
  for (const [name, content] of Object.entries(all)) {
    await using file = await open(join(partial, name), 'wx', 0o600);
    await file.writeFile(content);
    await file.sync();
  }
  await rm(target, { recursive: true, force: true });
  await rename(partial, target);
  return digests;
}
