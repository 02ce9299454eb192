import { createHash } from 'node:crypto';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TerminalError, errorFrom, throwIfCancelled } from '#platform/errors.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { finalModel, runFileNames } from '#run/directory/places.ts';
import { foldLedger } from '#run/ledger/read-ledger.ts';
import { checkRunId, unknownRun } from '../runs/run-registry.ts';

export interface GivenFile {
  readonly path: string;
  readonly sizeBytes: bigint;
}

/** What of a run's directory others may have: what the coordinator writes, and the final model. Links and folders are left out. */
export async function listRunFiles(nats: Nats, runId: string, signal: AbortSignal): Promise<{ files: GivenFile[] }> {
  const { files } = await givenFiles(nats, runId, signal);
  return { files };
}

const pieceBytes = 256 * 1024;

/** A file of `listRunFiles` from an offset on, and at last the digest of the whole: what the caller has from before is part of it. */
export async function* readRunFile(
  nats: Nats,
  { runId, path, offset }: { readonly runId: string; readonly path: string; readonly offset: bigint },
  signal: AbortSignal,
): AsyncGenerator<{ data?: Uint8Array; digest?: string }, void, undefined> {
  const { files, directory } = await givenFiles(nats, runId, signal);
  const found = files.find((file) => file.path === path);
  if (found === undefined)
    throw new TerminalError(
      'not_found',
      `path: run ${runId} gives no file '${path}'; it gives ${files.map((file) => file.path).join(', ')}`,
    );
  if (offset > found.sizeBytes)
    throw new TerminalError(
      'failed_precondition',
      `offset: is ${offset}, and ${path} of run ${runId} has ${found.sizeBytes} bytes; begin at 0`,
    );
  // As long as it was when it was listed: metrics.jsonl may grow.
  const size = Number(found.sizeBytes);
  await using file = await open(join(directory, path));
  const hash = createHash('sha256');
  for (let at = 0; at < size;) {
    throwIfCancelled(signal);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(pieceBytes, size - at)), 0, null, at);
    if (bytesRead === 0)
      throw new TerminalError('data_loss', `${path} of run ${runId} became shorter while it was read; fetch it again`);
    const bytes = buffer.subarray(0, bytesRead);
    hash.update(bytes);
    const isWanted = Math.max(0, Number(offset) - at);
    if (isWanted < bytesRead) yield { data: bytes.subarray(isWanted) };
    at += bytesRead;
  }
  yield { digest: hash.digest('hex') };
}

async function givenFiles(
  nats: Nats,
  runId: string,
  signal: AbortSignal,
): Promise<{ readonly directory: string; readonly files: GivenFile[] }> {
  const { state } = await foldLedger(nats, checkRunId(runId), signal);
  if (state.life === 'new') throw unknownRun(runId);
  const { directory } = state;
  const names = [...Object.values(runFileNames), ...(await filesBelow(directory, finalModel('')))];
  const files: GivenFile[] = [];
  for (const path of names) {
    const stats = await lstat(join(directory, path)).catch(passMissing);
    if (stats?.isFile() === true) files.push({ path, sizeBytes: BigInt(stats.size) });
  }
  if (files.length === 0)
    throw new TerminalError(
      'not_found',
      `run ${runId}: its folder ${directory} is not on the machine of this coordinator; ask one that shares the folder`,
    );
  return { directory, files };
}

async function filesBelow(directory: string, folder: string): Promise<string[]> {
  const entries = await readdir(join(directory, folder), { recursive: true, withFileTypes: true }).catch(passMissing);
  return (entries ?? [])
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

function passMissing(thrown: unknown): undefined {
  const error = errorFrom(thrown);
  if (error.code === 'not_found') return undefined;
  throw error;
}
