import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { fileError, isMissing } from '#platform/files/file-error.ts';
import { hashFile } from '#platform/files/hash-file.ts';
import type { RecipePaths, RecordedInput } from '../resolve-recipe.ts';
import { openDigestCache } from './digest-cache.ts';
import { inputFiles, type InputFile } from './input-files.ts';

export interface FoundInput extends RecordedInput {
  readonly modifiedAtMs: number;
}

export interface SurveyOptions {
  /** Where digests are kept by path, size, inode and times. */
  readonly cacheFile: string;
  readonly signal: AbortSignal;
  /** Hears how far it is, in bytes that have to be read; not called when none has. */
  readonly onProgress?: (readBytes: number, totalBytes: number) => void;
}

/** The cache of a run's home, which all its runs share. `directory` is the run's. */
export function digestCacheFile(directory: string): string {
  return join(dirname(directory), 'digests.json');
}

/** Digests of all files that a run stands on. Files that are not there are left out. */
export async function surveyInputs(paths: RecipePaths, options: SurveyOptions): Promise<FoundInput[]> {
  return await surveyFiles(await inputFiles(paths), options);
}

/** Digests of those that are there. */
export async function surveyFiles(files: readonly InputFile[], options: SurveyOptions): Promise<FoundInput[]> {
  const { signal, onProgress } = options;
  const cache = await openDigestCache(options.cacheFile);
  const present: { file: InputFile; stats: BigIntStats; digest: string | undefined }[] = [];
  for (const file of files) {
    const stats = await statOf(file.path);
    if (stats?.isFile() === true) present.push({ file, stats, digest: cache.get(file.path, stats) });
  }
  const total = present.reduce((sum, { stats, digest }) => sum + (digest === undefined ? Number(stats.size) : 0), 0);
  let read = 0;
  const onBytes = (bytes: number): void => onProgress?.((read += bytes), total);
  const found: FoundInput[] = [];
  for (const { file, stats, digest: known } of present) {
    const readAtMs = Date.now();
    const digest = known ?? (await hashUnchanged(file.path, stats, signal, onBytes));
    if (known === undefined) cache.set(file.path, stats, digest, readAtMs);
    found.push({ ...file, digest, bytes: Number(stats.size), modifiedAtMs: Number(stats.mtimeMs) });
  }
  await cache.save();
  return found;
}

async function hashUnchanged(
  path: string,
  before: BigIntStats,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const digest = await hashFile(path, signal, onBytes).catch((thrown: unknown) => {
    throw fileError(path, thrown);
  });
  const after = await statOf(path);
  if (after?.size === before.size && after.mtimeNs === before.mtimeNs && after.ino === before.ino) return digest;
  throw new TerminalError(
    'failed_precondition',
    `${path}: changed while it was read; try again when nothing writes to it`,
  );
}

async function statOf(path: string): Promise<BigIntStats | undefined> {
  try {
    return await stat(path, { bigint: true });
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw fileError(path, thrown);
  }
}
