import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import { pipeline, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { TerminalError, errorFrom, throwIfCancelled } from '../errors.ts';
import { fileError } from '../files/file-error.ts';
import type { ReadRecordsOptions } from './file-record.ts';

/** How the bytes of a file lie on disk. */
export type Storage = 'plain' | 'gzip' | 'zstd' | 'parquet';

const magics: readonly (readonly [Storage, Buffer])[] = [
  ['parquet', Buffer.from('PAR1')],
  ['gzip', Buffer.from([0x1f, 0x8b])],
  ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
];

/** Files that are often given, and what to do about each. */
const refused: readonly (readonly [Buffer, string])[] = [
  [Buffer.from('PK\x03\x04'), 'is a ZIP archive or a workbook; unpack it, or save the sheet as CSV'],
  [Buffer.from('BZh'), 'is compressed with bzip2; compress it with gzip or Zstandard'],
  [Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]), 'is compressed with xz; compress it with gzip or Zstandard'],
  [Buffer.from('ARROW1'), 'is an Arrow file; write it as Parquet'],
  [Buffer.from('version https://git-lfs'), 'is a pointer of Git LFS, not the file; fetch it with: git lfs pull'],
  [Buffer.from([0xff, 0xfe]), 'is UTF-16; save the file as UTF-8'],
  [Buffer.from([0xfe, 0xff]), 'is UTF-16; save the file as UTF-8'],
];

/** By its first bytes, whatever its name. Throws TerminalError for a file of a known kind that nothing here reads. */
export async function storageOf(path: string): Promise<Storage> {
  const head = await firstBytes(path);
  const begins = ([magic]: readonly [Buffer, unknown]): boolean => head.subarray(0, magic.length).equals(magic);
  const problem = refused.find(begins)?.[1];
  if (problem !== undefined) throw new TerminalError('invalid_argument', `${path}: ${problem}`);
  const storage = magics.find(([, magic]) => begins([magic, '']))?.[0] ?? 'plain';
  if (storage !== 'parquet' && extname(path).toLowerCase() === '.parquet')
    throw new TerminalError('invalid_argument', `${path}: is not Parquet: it does not begin with PAR1; check the file`);
  return storage;
}

async function firstBytes(path: string): Promise<Buffer> {
  try {
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(32), 0, 32, 0);
    return buffer.subarray(0, bytesRead);
  } catch (thrown) {
    throw fileError(path, thrown);
  }
}

const decompressors: Readonly<Record<'gzip' | 'zstd', () => Transform>> = {
  gzip: () => createGunzip({ chunkSize: 256 * 1024 }),
  zstd: () => createZstdDecompress({ chunkSize: 256 * 1024 }),
};

/** The bytes of a file, decompressed as they are read. */
export async function* openBytes(
  path: string,
  storage: Exclude<Storage, 'parquet'>,
  { signal, onBytes }: ReadRecordsOptions = {},
): AsyncGenerator<Buffer, void, undefined> {
  const raw = createReadStream(path, { highWaterMark: 1024 * 1024, ...(signal !== undefined && { signal }) });
  if (onBytes !== undefined) raw.on('data', (chunk) => onBytes(Buffer.from(chunk)));
  // What breaks in either is thrown by the loop.
  const stream = storage === 'plain' ? raw : pipeline(raw, decompressors[storage](), () => {});
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) yield chunk;
  } catch (thrown) {
    throwIfCancelled(signal);
    const { code } = Object(thrown) as NodeJS.ErrnoException;
    if (storage === 'plain' || code?.startsWith('Z') !== true) throw fileError(path, thrown);
    const problem = `${storage} data is damaged or cut off (${errorFrom(thrown).message}); fetch or compress it again`;
    throw new TerminalError('invalid_argument', `${path}: ${problem}`, { cause: thrown });
  } finally {
    raw.destroy();
  }
}
