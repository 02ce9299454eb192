import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { artefactKey } from '#artefacts/artefact.ts';
import type { ArtefactKind } from '#artefacts/artefact.ts';
import type { BlobStore } from '#artefacts/blob-store.ts';
import { fetchArtefact, readArtefact } from '#artefacts/fetch-artefact.ts';
import { locationOf } from '#artefacts/location.ts';
import { putArtefact } from '#artefacts/put-artefact.ts';
import { fileError } from '#platform/files/file-error.ts';
import { formatBytes } from '#platform/nats/store-bounds.ts';
import { exitCodes } from '../exit-codes.ts';
import { withStore, type StorePlace } from '../store/with-store.ts';
import { plural, tableLines } from '../terminal/format.ts';
import { jsonLine } from '../terminal/json-line.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface ArtefactOptions extends StorePlace {
  readonly json: boolean;
}
export interface PutArtefactOptions extends ArtefactOptions {
  /** Absent: `file` for a file, `model` for a folder. */
  readonly kind?: ArtefactKind;
}
export interface GetOptions extends ArtefactOptions {
  readonly to: string;
}

export async function putCommand(path: string, options: PutArtefactOptions, terminal: Terminal): Promise<number> {
  return await onStore(options, async (store, signal) => {
    const source = resolve(path);
    const isFile = await stat(source).then(
      (stats) => stats.isFile(),
      (thrown: unknown) => {
        throw fileError(path, thrown);
      },
    );
    const { kind = isFile ? 'file' : 'model' } = options;
    const { digest, sizeBytes, writtenBytes } = await putArtefact(store, source, { kind, signal });
    if (options.json) terminal.out(jsonLine({ digest, sizeBytes, writtenBytes }));
    else {
      terminal.out(locationOf(digest));
      terminal.out(`${formatBytes(sizeBytes)}, of which ${formatBytes(writtenBytes)} were sent to ${store.url}`);
    }
  });
}

export async function getCommand(digest: string, options: GetOptions, terminal: Terminal): Promise<number> {
  return await onStore(options, async (store, signal) => {
    const directory = resolve(options.to);
    const { artefact, readBytes } = await fetchArtefact(store, digest, directory, { signal });
    if (options.json) terminal.out(jsonLine({ digest, directory, readBytes }));
    else
      terminal.out(
        `${plural(artefact.files.length, 'file')} in ${directory}, of which ${formatBytes(readBytes)} were fetched now`,
      );
  });
}

export async function listCommand(options: ArtefactOptions, terminal: Terminal): Promise<number> {
  return await onStore(options, async (store) => {
    const found = [];
    for (const { key, writtenMs } of await store.list(artefactKey(''))) {
      const digest = key.slice(artefactKey('').length);
      const { kind, runId, files } = await readArtefact(store, digest);
      const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
      found.push({ digest, kind, run: runId, files: files.length, sizeBytes, writtenMs });
    }
    found.sort((one, other) => one.writtenMs - other.writtenMs);
    if (options.json) return terminal.out(jsonLine(found));
    if (found.length === 0) return terminal.out(`${store.url} holds no artefact`);
    const rows = found.map((each) => [
      each.digest,
      each.kind,
      each.run,
      String(each.files),
      formatBytes(each.sizeBytes),
      new Date(each.writtenMs).toISOString().slice(0, 19),
    ]);
    const head = ['digest', 'kind', 'run', 'files', 'size', 'put at (UTC)'];
    for (const line of tableLines(rows, { head, compact: true })) terminal.out(line);
  });
}

async function onStore(
  options: ArtefactOptions,
  work: (store: BlobStore, signal: AbortSignal) => Promise<void>,
): Promise<number> {
  const ending = new AbortController();
  const interrupt = (): void => ending.abort();
  process.once('SIGINT', interrupt);
  try {
    await withStore(options, ending.signal, (store) => work(store, ending.signal));
    return exitCodes.ok;
  } finally {
    process.off('SIGINT', interrupt);
  }
}
