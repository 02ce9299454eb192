import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import { TerminalError } from '#platform/errors.ts';
import { artefactKey, blobKey } from './artefact.ts';
import type { BlobStore } from './blob-store.ts';
import { readArtefact } from './fetch-artefact.ts';

export interface RetainOptions {
  /** Only artefacts of this run go; absent: of every run, and of none. */
  readonly runId?: string | undefined;
  /** Digests that stay, whatever their age. */
  readonly keep: ReadonlySet<string>;
  /** What was written after this moment stays (milliseconds since 1970): it may belong to a put that goes on. */
  readonly olderThanMs: number;
  readonly signal: AbortSignal;
}

export interface Retained {
  readonly removedArtefacts: number;
  readonly removedBlobs: number;
  readonly removedBytes: number;
}

/** Removes artefacts that nobody keeps, and blobs that are then of none. One call at a time for a store. */
export async function retainArtefacts(
  store: BlobStore,
  { runId, keep, olderThanMs, signal }: RetainOptions,
): Promise<Retained> {
  const blobs = await store.list('blobs/');
  const artefacts = await store.list('artefacts/');
  const used = new Set<string>();
  const unwanted: string[] = [];
  await mapConcurrent(
    artefacts,
    4,
    async ({ key, writtenMs }) => {
      const digest = key.slice(artefactKey('').length);
      const mayGo = !keep.has(digest) && writtenMs < olderThanMs;
      if (mayGo && runId === undefined) {
        unwanted.push(key);
        return;
      }
      const { files, runId: owner } = await readArtefact(store, digest).catch((cause: unknown) => {
        throw new TerminalError(
          'failed_precondition',
          `nothing was removed from ${store.url}: artefact ${digest} cannot be read, so what it needs is unknown; put it again, or remove ${key}`,
          { cause },
        );
      });
      if (mayGo && owner === runId) unwanted.push(key);
      else for (const { sha256, parts } of files) for (const part of [sha256, ...parts]) used.add(blobKey(part));
    },
    signal,
  );
  // Lists first: a blob without its list is only room, a list without its blobs is a broken promise.
  await mapConcurrent(unwanted, 4, (key) => store.remove(key), signal);
  const spare = blobs.filter(({ key, writtenMs }) => !used.has(key) && writtenMs < olderThanMs);
  await mapConcurrent(spare, 4, ({ key }) => store.remove(key), signal);
  return {
    removedArtefacts: unwanted.length,
    removedBlobs: spare.length,
    removedBytes: spare.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  };
}
