import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { howToBuild, readManifest, type IndexManifest } from './manifest.ts';

/** Reads every file of an index, also those that stay on disk while it serves, and compares it with the manifest. */
export async function verifyIndex(directory: string, signal?: AbortSignal): Promise<IndexManifest> {
  const manifest = await readManifest(directory);
  const { files, vectors } = manifest;
  const all = vectors === undefined ? files : { ...files, [vectors.file]: vectors };
  for (const [name, expected] of Object.entries(all)) {
    const path = join(directory, name);
    await checkSize(path, expected.bytes);
    let checksum = 0;
    const stream = createReadStream(path, { highWaterMark: 1024 * 1024, ...(signal !== undefined && { signal }) });
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) checksum = crc32(chunk, checksum);
    } catch (thrown) {
      throw errorFrom(thrown);
    }
    checkChecksum(path, checksum, expected.crc32);
  }
  return manifest;
}

export async function checkSize(path: string, expected: number): Promise<void> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new TerminalError('failed_precondition', `${path}: is missing from the index; ${howToBuild}`, { cause });
  });
  if (found.size === expected) return;
  throw new TerminalError('data_loss', `${path}: found ${found.size} bytes, expected ${expected}; ${howToBuild}`);
}

export function checkChecksum(path: string, found: number, expected: number): void {
  if (found === expected) return;
  throw new TerminalError(
    'data_loss',
    `${path}: is damaged: found CRC-32 ${found}, expected ${expected}; ${howToBuild}`,
  );
}
