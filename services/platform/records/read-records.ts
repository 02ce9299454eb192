import { extname } from 'node:path';
import { csvRecords } from './csv-records.ts';
import type { FileRecord, ReadRecordsOptions } from './file-record.ts';
import { jsonRecords } from './json-records.ts';
import { openBytes, storageOf } from './stored-bytes.ts';

/** Between fields, by the extension of a table: the first that its header holds. */
const delimiters: ReadonlyMap<string, readonly string[]> = new Map([
  ['.csv', [',', ';', '\t']],
  ['.tsv', ['\t']],
]);

/**
 * The records of a file, one at a time and without reading it whole. Parquet, gzip and Zstandard are known by their first bytes, CSV by the
 * extension `.csv` or `.tsv` (before `.gz` or `.zst`); everything else is JSON, a value per line or one array. Throws
 * TerminalError that begins with the place.
 */
export async function* readRecords(
  path: string,
  options: ReadRecordsOptions = {},
): AsyncGenerator<FileRecord, void, undefined> {
  const storage = await storageOf(path);
  if (storage === 'parquet') {
    // The library is loaded by those who read Parquet alone.
    const { parquetRecords } = await import('./parquet-records.ts');
    yield* parquetRecords(path, options);
    return;
  }
  const bytes = openBytes(path, storage, options);
  const table = delimiters.get(extname(path.replace(/\.(?:gz|zst|zstd)$/i, '')).toLowerCase());
  yield* table === undefined ? jsonRecords(path, bytes, options) : csvRecords(path, bytes, table, options);
}
