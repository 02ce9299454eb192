import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ReadableStream } from 'node:stream/web';
import { downloadFile, modelInfo, pathsInfo, type PathInfo } from '@huggingface/hub';
import { cancelledFrom, isGradusError, TerminalError, throwIfCancelled } from '#platform/errors.ts';
import { repositoryFolder, type HubSettings } from './hub-settings.ts';
import {
  externalDataFiles,
  isFile,
  modelFiles,
  optionalFiles,
  requiredFiles,
  weightsFiles,
  type ModelFiles,
} from './model-files.ts';

export interface DownloadProgress {
  readonly file: string;
  readonly bytes: number;
  /** Of all files of the model. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface DownloadOptions {
  readonly hub: HubSettings;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface HubModel {
  readonly name: string;
  readonly revision: string;
  readonly id: string;
  readonly weightsFile: string | undefined;
}

/**
 * Fetches what inference needs of a model into the shared cache. A file gets its name only when it is whole: its size, and
 * for large files its SHA-256, are those that the hub states.
 */
export async function downloadModel(model: HubModel, options: DownloadOptions): Promise<ModelFiles> {
  const { hub, signal } = options;
  const repo = { type: 'model', name: model.name } as const;
  const access = { hubUrl: hub.url, fetch: hubFetch(hub, signal) };
  try {
    const { sha: commit } = await modelInfo({
      ...access,
      name: model.name,
      revision: model.revision,
      additionalFields: ['sha'],
    });
    if (!/^[0-9a-f]{40}$/.test(commit)) throw new Error(`the hub names no commit of revision ${model.revision}`);
    const candidates = model.weightsFile === undefined ? weightsFiles : [model.weightsFile];
    const paths = [...requiredFiles, ...optionalFiles, ...candidates, ...candidates.flatMap(externalDataFiles)];
    const present = await pathsInfo({ ...access, repo, paths, revision: commit });
    const weights = candidates.find((candidate) => present.some(({ path }) => path === candidate));
    const missing = requiredFiles.filter((name) => !present.some(({ path }) => path === name));
    if (weights === undefined || missing.length > 0) {
      const names = [...(weights === undefined ? [candidates.join(' or ')] : []), ...missing];
      throw new TerminalError(
        'failed_precondition',
        `model ${model.id}: the hub ${hub.url} has it, without ${names.join(', ')}; name another weights file, ` +
          'or export the model to ONNX into a directory (optimum-cli export onnx) and give its path',
      );
    }
    const wanted = present.filter(
      ({ path }) =>
        !candidates.some((other) => other !== weights && path.startsWith(other) && !path.startsWith(weights)),
    );
    const folder = repositoryFolder(hub.cacheDirectory, model.name);
    const snapshot = join(folder, 'snapshots', commit);
    const totalBytes = wanted.reduce((sum, { size }) => sum + size, 0);
    let doneBytes = 0;
    for (const file of wanted) {
      throwIfCancelled(signal);
      if (!(await isFile(join(snapshot, file.path)))) {
        const blob = await downloadFile({ ...access, repo, path: file.path, revision: commit });
        if (blob === null) throw new Error(`the hub lists ${file.path} and does not have it`);
        // The DOM's stream type and Node's are the same thing under two names.
        const stream = blob.stream() as ReadableStream<Uint8Array>;
        await store(stream, file, join(snapshot, file.path), signal, (bytes) =>
          options.onProgress?.({ file: file.path, bytes, doneBytes: doneBytes + bytes, totalBytes }),
        );
      }
      doneBytes += file.size;
    }
    const ref = join(folder, 'refs', model.revision);
    await mkdir(dirname(ref), { recursive: true });
    await writeFile(ref, commit);
    return modelFiles(model.id, snapshot, weights);
  } catch (cause) {
    if (signal?.aborted === true) throw cancelledFrom(signal.reason);
    if (isGradusError(cause)) throw cause;
    throw new TerminalError(
      'failed_precondition',
      `model ${model.id}: not in the cache ${hub.cacheDirectory}, and the hub ${hub.url} does not give it ` +
        `(${reasonOf(cause)}); ${adviceFor(cause)}, or give the path of a directory with tokenizer.json, config.json and model.onnx`,
      { cause },
    );
  }
}

async function store(
  stream: ReadableStream<Uint8Array>,
  file: PathInfo,
  path: string,
  signal: AbortSignal | undefined,
  onBytes: (bytes: number) => void,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const partial = `${path}.${randomUUID()}.incomplete`;
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    // Open before the first byte and closed after the last: a stream of node:fs would open later, after a failure perhaps.
    const handle = await open(partial, 'wx');
    try {
      for await (const chunk of stream) {
        throwIfCancelled(signal);
        hash.update(chunk);
        bytes += chunk.length;
        await handle.appendFile(chunk);
        onBytes(bytes);
      }
    } finally {
      await handle.close();
    }
    if (bytes !== file.size) throw new Error(`${file.path} has ${file.size} bytes, ${bytes} came`);
    const sha256 = hash.digest('hex');
    if (file.lfs !== undefined && sha256 !== file.lfs.oid) {
      throw new Error(`${file.path} has SHA-256 ${file.lfs.oid}, what came has ${sha256}`);
    }
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}

/** Sends the token to the hub itself and to no other host that it points to. */
function hubFetch(hub: HubSettings, signal: AbortSignal | undefined): typeof fetch {
  const { origin } = new URL(hub.url);
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const headers = new Headers(init?.headers);
    if (hub.token !== undefined && url.origin === origin) headers.set('Authorization', `Bearer ${hub.token}`);
    return await fetch(input, { ...init, headers, signal: signal ?? init?.signal ?? null });
  };
}

function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : undefined;
}

function reasonOf(error: unknown): string {
  const status = statusOf(error);
  if (status !== undefined) return `HTTP status ${status}`;
  if (!(error instanceof Error)) return String(error);
  // fetch says only "fetch failed"; why is in its cause.
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

function adviceFor(error: unknown): string {
  const status = statusOf(error);
  if (status === 401 || status === 403) return 'check the name, or set HF_TOKEN to a token that may read it';
  if (status === 404) return 'check the name and the revision';
  return 'try again, or set HF_ENDPOINT to a mirror';
}
