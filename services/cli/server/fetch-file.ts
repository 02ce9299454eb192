import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import { sleep } from '#platform/async/sleep.ts';
import { hashFile } from '#platform/files/hash-file.ts';
import { isMissing } from '#platform/files/file-error.ts';
import type { Coordinators } from '../run/coordinators.ts';

/** Between two pieces nothing waits for more than a disk. */
const streamTimeoutMs = 3_600_000;
const reconnectMs = 500;
/** The first may be what lay here before. */
const mostDamaged = 2;
/** How long nobody may answer before we give up. */
const mostSilenceMs = 60_000;

/**
 * One file of a run, under `directory`: absent or whole. What came over before it broke off lies next to it as `.partial`, and is not sent again; a file
 * that is there already and is the same is left alone. Gives the bytes that came over.
 */
export async function fetchFile(
  coordinators: Coordinators,
  runId: string,
  path: string,
  directory: string,
  signal: AbortSignal,
): Promise<number> {
  const to = join(directory, safePath(path));
  const draft = `${to}.partial`;
  await mkdir(dirname(to), { recursive: true });
  // What is there already may be the same: it is a draft of which nothing lacks.
  if ((await sizeOf(draft)) === undefined && (await sizeOf(to)) !== undefined) await rename(to, draft);
  let received = 0;
  let answeredMs = performance.now();
  for (let damaged = 0; ;) {
    try {
      const digest = await receive(coordinators, { runId, path, draft }, signal, (bytes) => {
        received += bytes;
        answeredMs = performance.now();
      });
      if ((await hashFile(draft, signal)) === digest) {
        await rename(draft, to);
        return received;
      }
      // It was another file, or another version of it.
      await rm(draft);
      damaged += 1;
      if (damaged > mostDamaged)
        throw new TerminalError(
          'data_loss',
          `${path} of run ${runId} came over damaged ${damaged} times; fetch it again`,
        );
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (signal.aborted) throw error;
      if (error.code === 'failed_precondition') await rm(draft, { force: true });
      else if (!(error instanceof TransientError) && error.code !== 'cancelled') throw error;
      if (performance.now() - answeredMs > mostSilenceMs) throw error;
      coordinators.next();
      await sleep(reconnectMs, signal);
    }
  }
}

async function receive(
  coordinators: Coordinators,
  { runId, path, draft }: { readonly runId: string; readonly path: string; readonly draft: string },
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<string> {
  await using file = await open(draft, 'a');
  const { size } = await file.stat();
  const request = { runId, path, offset: BigInt(size) };
  for await (const { data, digest } of coordinators.current.readRunFile(request, {
    signal,
    timeoutMs: streamTimeoutMs,
  })) {
    if (digest !== '') return digest;
    await file.appendFile(data);
    onBytes(data.length);
  }
  throw new TransientError('unavailable', `${path} of run ${runId} broke off`);
}

/** A server names paths; none may leave the folder that was asked for. */
function safePath(path: string): string {
  if (
    path === '' ||
    isAbsolute(path) ||
    normalize(path) !== path ||
    path.split('/').includes('..') ||
    path.includes('\0')
  )
    throw new TerminalError('data_loss', `the server names a file '${path}', which is no path in the folder of a run`);
  return path;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
}
