import { createReadStream } from 'node:fs';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import type { AsyncBuffer, Compressors, FileMetaData, RowGroup } from 'hyparquet';
import { TerminalError, errorFrom, throwIfCancelled } from '../errors.ts';
import { fileError } from '../files/file-error.ts';
import { badRecord, decodeRecord, type FileRecord, type ReadRecordsOptions } from './file-record.ts';

/** Of the columns that are read, uncompressed: a row group is in memory as a whole. */
const maxRowGroupBytes = 1024 ** 3;

/** No more than the page says; a page of nulls alone says 0, which zlib does not take. */
const atMost = (length: number): { readonly maxOutputLength: number } => ({ maxOutputLength: Math.max(1, length) });
const compressors: Compressors = {
  GZIP: (bytes, length) => gunzipSync(bytes, atMost(length)),
  BROTLI: (bytes, length) => brotliDecompressSync(bytes, atMost(length)),
  ZSTD: (bytes, length) => zstdDecompressSync(bytes, atMost(length)),
};
const codecs = new Set(['UNCOMPRESSED', 'SNAPPY', ...Object.keys(compressors)]);

/** The rows of a Parquet file as JSON values, a row group at a time; a null is no value. Dates are ISO 8601, whole numbers beyond 2^53 text. */
export async function* parquetRecords(
  path: string,
  { signal, onBytes, onBadRecord, columns: wanted }: ReadRecordsOptions = {},
): AsyncGenerator<FileRecord, void, undefined> {
  if (onBytes !== undefined) for await (const chunk of createReadStream(path)) onBytes(Buffer.from(chunk));
  const { file, metadata } = await opened(path);
  const columns = columnsOf(metadata);
  const read = wanted === undefined ? [...columns] : columns.filter((column) => wanted.includes(column));
  let number = 0;
  for (const [index, group] of metadata.row_groups.entries()) {
    throwIfCancelled(signal);
    checkGroup(group, read, `${path}: row group ${index}`);
    const end = number + Number(group.num_rows);
    for (const row of await rowsOf(path, { file, metadata, columns: read, rowStart: number, rowEnd: end })) {
      const place = `${path}: row ${number}`;
      try {
        yield { value: jsonOf(row, place, []), place, number, columns };
      } catch (thrown) {
        if (onBadRecord === undefined || !(thrown instanceof TerminalError)) throw thrown;
        onBadRecord(thrown, number);
      }
      number += 1;
    }
  }
}

async function opened(path: string): Promise<{ file: AsyncBuffer; metadata: FileMetaData }> {
  try {
    const file = await asyncBufferFromFile(path);
    const tail = Buffer.from(await file.slice(Math.max(0, file.byteLength - 4)));
    if (tail.toString('latin1') !== 'PAR1') throw badRecord(path, 'does not end as Parquet does; it is cut off');
    return { file, metadata: await parquetMetadataAsync(file, { geoparquet: false }) };
  } catch (thrown) {
    throw fileError(path, thrown);
  }
}

/** Of the top level. */
function columnsOf({ schema }: FileMetaData): readonly string[] {
  const [root, ...elements] = schema;
  const columns: string[] = [];
  const after = (at: number): number => {
    let next = at + 1;
    for (let child = elements[at]?.num_children ?? 0; child > 0; child -= 1) next = after(next);
    return next;
  };
  for (let at = 0; columns.length < (root?.num_children ?? 0); at = after(at)) columns.push(elements[at]?.name ?? '');
  return columns;
}

function checkGroup({ columns }: RowGroup, read: readonly string[], place: string): void {
  const chunks = columns.flatMap(({ meta_data: chunk }) => chunk ?? []);
  const used = chunks.filter(({ path_in_schema: [column = ''] }) => read.includes(column));
  const unknown = used.find(({ codec }) => !codecs.has(codec));
  if (unknown !== undefined) {
    const [column] = unknown.path_in_schema;
    throw badRecord(place, `column ${column} is compressed with ${unknown.codec}; write it with snappy, zstd or gzip`);
  }
  const bytes = used.reduce((sum, { total_uncompressed_size: size }) => sum + Number(size), 0);
  if (bytes > maxRowGroupBytes)
    throw badRecord(
      place,
      `${bytes} bytes, and at most ${maxRowGroupBytes} are read at once; write the file with smaller row groups`,
    );
}

async function rowsOf(
  path: string,
  options: Omit<Parameters<typeof parquetReadObjects>[0], 'compressors'>,
): Promise<readonly object[]> {
  if (options.columns?.length === 0)
    return Array.from({ length: (options.rowEnd ?? 0) - (options.rowStart ?? 0) }, () => ({}));
  // Text without a type of its own is decoded where it is known whose it is.
  const parsers = { stringFromBytes: (bytes: Uint8Array | undefined) => bytes && decodeRecord(bytes, path) };
  try {
    return await parquetReadObjects({ ...options, compressors, parsers, utf8: false, geoparquet: false });
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (error instanceof TerminalError && error.code === 'invalid_argument') throw error;
    const problem = `rows ${options.rowStart} to ${options.rowEnd} cannot be read (${error.message}); it is damaged`;
    throw new TerminalError('invalid_argument', `${path}: ${problem}`, { cause: thrown });
  }
}

/** Nulls within a list stay, those of an object are left out. */
function jsonOf(value: unknown, place: string, at: readonly string[]): unknown {
  if (value === undefined) return null;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return decodeRecord(value, `${place}: ${at.join('.')}`);
  if (Array.isArray(value) || ArrayBuffer.isView(value))
    return Array.from(value as ArrayLike<unknown>, (one) => jsonOf(one, place, at));
  const filled = Object.entries(value).filter(([, one]) => one !== null && one !== undefined);
  return Object.fromEntries(filled.map(([key, one]) => [key, jsonOf(one, place, [...at, key])]));
}
