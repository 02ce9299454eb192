import { TerminalError, errorFrom } from '#platform/errors.ts';
import { readLines } from '#platform/files/read-lines.ts';
import { parseDocument, type Document } from './parse-document.ts';

export interface Page extends Document {
  /** From 1. */
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

/** The pages of a JSONL corpus, one at a time; blank lines are allowed. Errors read `file:line: field: ...`. */
export async function* readPages(path: string, options: ReadPagesOptions): AsyncGenerator<Page> {
  const { check, onBadLine, onBytes, signal } = options;
  for await (const { text, number: line } of readLines(path, { onBytes, onBadLine, signal })) {
    if (text.trim() === '') continue;
    const where = `${path}:${line}`;
    const read = pageOf(text, line, where);
    const refused = read instanceof TerminalError ? read : check(read, where);
    if (refused === undefined && !(read instanceof TerminalError)) {
      yield read;
    } else if (refused !== undefined) {
      if (onBadLine === undefined) throw refused;
      onBadLine(refused, line);
    }
  }
}

function pageOf(text: string, line: number, where: string): Page | TerminalError {
  try {
    return { ...parseDocument(text, where), line };
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (error instanceof TerminalError && error.code === 'invalid_argument') return error;
    throw error;
  }
}
