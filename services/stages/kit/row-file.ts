import { open } from 'node:fs/promises';
import { TerminalError } from '#platform/errors.ts';
import { fileError } from '#platform/files/file-error.ts';

/** Rows of a file by number. Memory holds where each begins, not the rows. */
export interface RowFile<Row> {
  readonly size: number;
  /** Where it is: file and line. */
  place(index: number): string;
  read(index: number): Promise<Row>;
}

const longestRowBytes = 16 * 1024 * 1024;
const newline = 10;
const mostSaid = 20;

/** Throws TerminalError where there are problems, with the first of them and how many more there are. */
export function refuseRows(problems: readonly string[]): void {
  if (problems.length === 0) return;
  const more = problems.length > mostSaid ? `; and ${problems.length - mostSaid} more` : '';
  throw new TerminalError('invalid_argument', `${problems.slice(0, mostSaid).join('; ')}${more}`);
}

/**
 * Reads and checks every row once; `parse` throws TerminalError that begins with `place`, file and line. Throws TerminalError with all that are
 * none, as far as a message has room.
 */
export async function openRowFile<Row>(
  path: string,
  parse: (line: string, place: string) => Row,
): Promise<RowFile<Row>> {
  const starts: number[] = [];
  const lengths: number[] = [];
  const lineNumbers: number[] = [];
  const problems: string[] = [];
  const file = await open(path, 'r').catch((thrown: unknown) => {
    throw fileError(path, thrown);
  });
  try {
    let at = 0;
    let line = 1;
    let rest: Buffer = Buffer.alloc(0);
    const take = (bytes: Buffer): void => {
      const text = bytes.toString('utf8');
      if (text.trim() !== '') {
        try {
          parse(text, `${path}:${line}`);
        } catch (thrown) {
          if (!(thrown instanceof TerminalError)) throw thrown;
          problems.push(thrown.message);
        }
        starts.push(at);
        lengths.push(bytes.length);
        lineNumbers.push(line);
      }
      line += 1;
    };
    for await (const chunk of file.createReadStream({ autoClose: false, highWaterMark: 1024 * 1024 })) {
      let bytes = Buffer.concat([rest, chunk as Buffer]);
      for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline)) {
        take(bytes.subarray(0, end));
        at += end + 1;
        bytes = bytes.subarray(end + 1);
      }
      if (bytes.length > longestRowBytes)
        throw new TerminalError('invalid_argument', `${path}:${line}: is longer than ${longestRowBytes} bytes`);
      rest = bytes;
    }
    if (rest.length > 0) take(rest);
  } finally {
    await file.close();
  }
  refuseRows(problems);
  if (starts.length === 0)
    throw new TerminalError('invalid_argument', `${path}: has no row; it needs at least one line`);
  return {
    size: starts.length,
    place: (index) => `${path}:${lineNumbers[index]}`,
    async read(index) {
      const [start, length] = [starts[index], lengths[index]];
      if (start === undefined || length === undefined) throw new RangeError(`${path} has no row ${index}`);
      const again = await open(path, 'r');
      try {
        const bytes = Buffer.alloc(length);
        await again.read(bytes, 0, length, start);
        return parse(bytes.toString('utf8'), `${path}:${lineNumbers[index]}`);
      } finally {
        await again.close();
      }
    },
  };
}
