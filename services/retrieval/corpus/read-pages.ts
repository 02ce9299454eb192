import { TerminalError, errorFrom } from '#platform/errors.ts';
import type { FileRecord } from '#platform/records/file-record.ts';
import { readRecords } from '#platform/records/read-records.ts';
import { documentKeys, parseDocument, type Document } from './parse-document.ts';

export interface Page extends Document {
  /** From 1; in Parquet the row, from 0. */
  readonly line: number;
}

export interface ReadPagesOptions {
  /** Gives an error for a page that cannot be taken after all, such as a double id. */
  readonly check: (page: Page, where: string) => TerminalError | undefined;
  /** Takes the bad lines; without it the first one ends the reading. */
  readonly onBadLine?: ((error: TerminalError, line: number) => void) | undefined;
  readonly onBytes?: ((bytes: Uint8Array) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The pages of a corpus, one at a time, of any kind of file that `readRecords` knows. Errors read `file:line: field: ...`. */
export async function* readPages(path: string, options: ReadPagesOptions): AsyncGenerator<Page> {
  const { check, onBadLine, onBytes, signal } = options;
  for await (const record of readRecords(path, { onBytes, onBadRecord: onBadLine, signal, columns: documentKeys })) {
    const { place: where, number: line } = record;
    const read = pageOf(record);
    const refused = read instanceof TerminalError ? read : check(read, where);
    if (refused === undefined && !(read instanceof TerminalError)) {
      yield read;
    } else if (refused !== undefined) {
      if (onBadLine === undefined) throw refused;
      onBadLine(refused, line);
    }
  }
}

function pageOf({ value, number: line, place }: FileRecord): Page | TerminalError {
  try {
    return { ...parseDocument(value, place), line };
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (error instanceof TerminalError && error.code === 'invalid_argument') return error;
    throw error;
  }
}
