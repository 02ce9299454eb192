import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { isMissing } from '#platform/files/file-error.ts';
import { hashFile } from '#platform/files/hash-file.ts';
import { artefactDigest, artefactKey, artefactSchema, blobKey, digestOf, parseDigest } from './artefact.ts';
import type { Artefact, ArtefactFile } from './artefact.ts';
import type { BlobStore } from './blob-store.ts';

export interface FetchOptions {
  readonly signal: AbortSignal;
  /** Transfers at a time. */
  readonly concurrency?: number | undefined;
}

export interface FetchResult {
  readonly artefact: Artefact;
  /** What came over; parts of an earlier try that are as they should be stay. */
  readonly readBytes: number;
}

/** The list of an artefact's files. Throws TerminalError('not_found'), or 'data_loss' for one that is not what its digest says. */
export async function readArtefact(store: BlobStore, digest: string): Promise<Artefact> {
  const bytes = await store.read(artefactKey(parseDigest(digest)));
  if (bytes === undefined)
    throw new TerminalError(
      'not_found',
      `artefact ${digest}: ${store.url} does not hold it; put it there, or name another store`,
    );
  let artefact: Artefact;
  try {
    artefact = artefactSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (cause) {
    throw new TerminalError('data_loss', `artefact ${digest}: its list in ${store.url} is cut or damaged`, { cause });
  }
  if (artefactDigest(artefact.files) !== digest)
    throw new TerminalError('data_loss', `artefact ${digest}: its list in ${store.url} is of other files`);
  return artefact;
}

/**
 * Makes `directory` of an artefact: absent or whole, also after a crash. What came over before one broke off lies next to it, in
 * `<directory>.partial`, and is used again. A directory that is there has to hold what the artefact says.
 */
export async function fetchArtefact(
  store: BlobStore,
  digest: string,
  directory: string,
  { signal, concurrency = 4 }: FetchOptions,
): Promise<FetchResult> {
  const artefact = await readArtefact(store, digest);
  if (await exists(directory)) {
    await checkThere(directory, digest, artefact, signal);
    return { artefact, readBytes: 0 };
  }
  const draft = `${directory}.partial`;
  let readBytes = 0;
  for (const file of artefact.files) {
    const path = join(draft, file.path);
    await mkdir(dirname(path), { recursive: true });
    readBytes +=
      store.files === undefined
        ? await fetchParts(store, artefact.partBytes ?? Infinity, file, path, concurrency, signal)
        : await placeFile(store, file, path);
  }
  await rename(draft, directory).catch(async (thrown: unknown) => {
    // Another process fetched the same.
    if (!(await exists(directory))) throw errorFrom(thrown);
    await checkThere(directory, digest, artefact, signal);
    await rm(draft, { recursive: true, force: true });
  });
  return { artefact, readBytes };
}

async function placeFile(store: BlobStore, file: ArtefactFile, path: string): Promise<number> {
  await rm(path, { force: true });
  if ((await store.files?.place(blobKey(file.sha256), path)) !== true) throw lost(store, file);
  const { size } = await stat(path);
  if (size !== file.sizeBytes)
    throw new TerminalError(
      'data_loss',
      `${file.path}: expected ${file.sizeBytes} bytes in ${store.url}, found ${size}`,
    );
  return file.sizeBytes;
}

async function fetchParts(
  store: BlobStore,
  partBytes: number,
  file: ArtefactFile,
  path: string,
  concurrency: number,
  signal: AbortSignal,
): Promise<number> {
  let readBytes = 0;
  {
    await using handle = await open(path, 'a').then(async (made) => {
      await made.close();
      return await open(path, 'r+');
    });
    await handle.truncate(file.sizeBytes);
    const fetchPart = async (digest: string, index: number): Promise<void> => {
      const start = index * partBytes;
      const length = Math.min(partBytes, file.sizeBytes - start);
      if (await holds(handle, start, length, digest)) return;
      const bytes = await store.read(blobKey(digest));
      if (bytes === undefined) throw lost(store, file);
      if (bytes.length !== length || digestOf(bytes) !== digest) throw damaged(store, file, digest);
      await handle.write(bytes, 0, length, start);
      readBytes += length;
    };
    await mapConcurrent(file.parts, concurrency, fetchPart, signal);
    await handle.sync();
  }
  // The parts are what the list says; the list's parts have to be the file that the digest names.
  if ((await hashFile(path, signal)) !== file.sha256) throw damaged(store, file, file.sha256);
  return readBytes;
}

async function holds(file: FileHandle, start: number, length: number, digest: string): Promise<boolean> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, start);
  return bytesRead === length && digestOf(buffer) === digest;
}

async function checkThere(directory: string, digest: string, { files }: Artefact, signal: AbortSignal): Promise<void> {
  const names = new Set<string>();
  for (const name of await readdir(directory, { recursive: true }))
    if ((await stat(join(directory, name))).isFile()) names.add(name);
  const wrong = [...names].filter((name) => !files.some(({ path }) => path === name));
  for (const { path, sha256 } of files)
    if (!names.has(path) || (await hashFile(join(directory, path), signal)) !== sha256) wrong.push(path);
  if (wrong.length > 0)
    throw new TerminalError(
      'failed_precondition',
      `${directory}: is there and differs from artefact ${digest} (${wrong.slice(0, 5).join(', ')}); move it away, or fetch into another folder`,
    );
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (thrown) {
    if (isMissing(thrown)) return false;
    throw errorFrom(thrown);
  }
}

function lost(store: BlobStore, { path }: ArtefactFile): TerminalError {
  return new TerminalError('data_loss', `${path}: ${store.url} lost a part of it; put the artefact there again`);
}

function damaged(store: BlobStore, { path }: ArtefactFile, digest: string): TerminalError {
  return new TerminalError(
    'data_loss',
    `${path}: what ${store.url} gave is not what has SHA-256 ${digest}; remove it there and put the artefact again`,
  );
}
