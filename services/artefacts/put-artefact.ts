import { createHash } from 'node:crypto';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import { TerminalError, throwIfCancelled } from '#platform/errors.ts';
import { hashFile } from '#platform/files/hash-file.ts';
import { artefactDigest, artefactKey, artefactSchema, blobKey, digestOf } from './artefact.ts';
import type { ArtefactFile, ArtefactKind } from './artefact.ts';
import type { BlobStore } from './blob-store.ts';

export interface PutOptions {
  readonly kind: ArtefactKind;
  readonly runId?: string | undefined;
  /** Nobody writes to these files again: a folder on the same file system then keeps them as hard links. */
  readonly isFinal?: boolean | undefined;
  readonly signal: AbortSignal;
  /** Transfers at a time. */
  readonly concurrency?: number | undefined;
}

export interface PutResult {
  readonly digest: string;
  readonly sizeBytes: number;
  /** What the store did not have; the rest of `sizeBytes` was there. */
  readonly writtenBytes: number;
}

const defaultConcurrency = 4;

/**
 * Puts a file or a folder into a store. Parts that the store has are not sent, so one that broke off goes on where it was. The list of
 * the files is written last: what has a digest is whole.
 */
export async function putArtefact(store: BlobStore, path: string, options: PutOptions): Promise<PutResult> {
  const { kind, runId = '', signal, concurrency = defaultConcurrency } = options;
  const found = await filesOf(path);
  let writtenBytes = 0;
  const files = await mapConcurrent(
    found,
    store.files === undefined ? 1 : concurrency,
    async (file): Promise<ArtefactFile> => {
      const { described, sent } =
        store.files === undefined
          ? await putParts(store, file, concurrency, signal)
          : await adoptFile(store, store.files, file, options);
      writtenBytes += sent;
      return described;
    },
    signal,
  );
  const digest = artefactDigest(files);
  const partBytes = store.files === undefined ? store.partBytes : undefined;
  const artefact = artefactSchema.parse({ format: 'gradus-artefact-1', kind, runId, partBytes, files });
  throwIfCancelled(signal);
  await store.write(artefactKey(digest), Buffer.from(`${JSON.stringify(artefact)}\n`));
  return { digest, sizeBytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0), writtenBytes };
}

interface FoundFile {
  /** On this machine. */
  readonly source: string;
  readonly path: string;
  readonly sizeBytes: number;
}

interface SentFile {
  readonly described: ArtefactFile;
  readonly sent: number;
}

/** In the order of their paths. Links to files count as files: models in a cache are such. */
async function filesOf(path: string): Promise<FoundFile[]> {
  const root = await stat(path);
  if (root.isFile()) return [{ source: path, path: basename(path), sizeBytes: root.size }];
  const found: FoundFile[] = [];
  for (const name of (await readdir(path, { recursive: true })).toSorted()) {
    const source = join(path, name);
    const status = await stat(source);
    if (status.isFile()) found.push({ source, path: name, sizeBytes: status.size });
    else if (!status.isDirectory())
      throw new TerminalError('invalid_argument', `${source}: is neither a file nor a folder; move it away`);
  }
  if (found.length === 0) throw new TerminalError('invalid_argument', `${path}: holds no file`);
  return found;
}

async function adoptFile(
  store: BlobStore,
  blobs: NonNullable<BlobStore['files']>,
  { source, path, sizeBytes }: FoundFile,
  { isFinal = false, signal }: PutOptions,
): Promise<SentFile> {
  const sha256 = await hashFile(source, signal);
  const key = blobKey(sha256);
  const isThere = await store.has(key);
  if (!isThere) await blobs.adopt(key, source, isFinal);
  return {
    described: { path, sizeBytes, sha256, parts: sizeBytes === 0 ? [] : [sha256] },
    sent: isThere ? 0 : sizeBytes,
  };
}

/** Reads the file twice: its digest names it before anything is sent, and no more than a few parts are in memory. */
async function putParts(
  store: BlobStore,
  { source, path, sizeBytes }: FoundFile,
  concurrency: number,
  signal: AbortSignal,
): Promise<SentFile> {
  await using file = await open(source);
  const lengthOf = (index: number): number => Math.min(store.partBytes, sizeBytes - index * store.partBytes);
  const readPart = async (index: number): Promise<Buffer> => {
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(lengthOf(index)),
      0,
      lengthOf(index),
      index * store.partBytes,
    );
    if (bytesRead !== lengthOf(index)) throw changed(source);
    return buffer;
  };
  const whole = createHash('sha256');
  const parts: string[] = [];
  for (let index = 0; index * store.partBytes < sizeBytes; index += 1) {
    throwIfCancelled(signal);
    const bytes = await readPart(index);
    whole.update(bytes);
    parts.push(digestOf(bytes));
  }
  const sent = await mapConcurrent(
    parts,
    concurrency,
    async (digest, index) => {
      if (await store.has(blobKey(digest))) return 0;
      const bytes = await readPart(index);
      if (digestOf(bytes) !== digest) throw changed(source);
      await store.write(blobKey(digest), bytes);
      return bytes.length;
    },
    signal,
  );
  return {
    described: { path, sizeBytes, sha256: whole.digest('hex'), parts },
    sent: sent.reduce((sum, bytes) => sum + bytes, 0),
  };
}

function changed(path: string): TerminalError {
  return new TerminalError(
    'failed_precondition',
    `${path}: was written to while it was put into the store; put it again`,
  );
}
