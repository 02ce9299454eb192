import { TerminalError } from '../errors.ts';

/** A record of a file: a value of JSON, a line of a table. */
export interface FileRecord {
  readonly value: unknown;
  /** For messages: `FILE:LINE`; `FILE:LINE: row N` in a JSON array, `FILE: row N` in Parquet (N from 0). */
  readonly place: string;
  /** The line that it begins on, from 1; the row in Parquet, from 0. */
  readonly number: number;
  /** Of a table: the same array in each of its records. Columns without a value are not in `value`. */
  readonly columns?: readonly string[];
}

export interface ReadRecordsOptions {
  readonly signal?: AbortSignal | undefined;
  /** Sees every byte of the file as it lies on disk, in order. */
  readonly onBytes?: ((bytes: Uint8Array) => void) | undefined;
  /** Takes records that cannot be read; they are left out then. Without it the first ends the reading. */
  readonly onBadRecord?: ((error: TerminalError, number: number) => void) | undefined;
  /** The columns that are of use: where a file keeps columns apart, the others are not read. */
  readonly columns?: readonly string[] | undefined;
}

/** A record longer than this is an error rather than a reason to run out of memory. */
export const maxRecordBytes = 16 * 1024 * 1024;

export function badRecord(place: string, problem: string, cause?: unknown): TerminalError {
  return new TerminalError('invalid_argument', `${place}: ${problem}`, { cause });
}

/** UTF-8 without its byte-order mark; throws where it is anything else. */
export function decodeRecord(bytes: Uint8Array, place: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw badRecord(place, 'not valid UTF-8; save the file as UTF-8', cause);
  }
}
