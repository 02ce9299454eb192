import { open } from 'node:fs/promises';
import { TerminalError } from '#platform/errors.ts';
import { fileError } from '#platform/files/file-error.ts';
import { parseSftRow } from './row.ts';
import type { SftRow } from './row.ts';

/** Rows of a file by number. Memory holds where each begins, not the rows. */
export interface RowFile {
  readonly size: number;
  read(index: number): Promise<SftRow>;
}

const longestRowBytes = 16 * 1024 * 1024;
const newline = 10;

/** Reads and checks every row once. Throws TerminalError with file, line and column of the first that is none. */
export async function openRowFile(path: string): Promise<RowFile> {
  const starts: number[] = [];
  const lengths: number[] = [];
  const lineNumbers: number[] = [];
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
        parseSftRow(text, `${path}:${line}`);
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
  if (starts.length === 0)
    throw new TerminalError('invalid_argument', `${path}: has no row; it needs at least one line`);
  return {
    size: starts.length,
    async read(index) {
      const [start, length] = [starts[index], lengths[index]];
      if (start === undefined || length === undefined) throw new RangeError(`${path} has no row ${index}`);
      const again = await open(path, 'r');
      try {
        const bytes = Buffer.alloc(length);
        await again.read(bytes, 0, length, start);
        return parseSftRow(bytes.toString('utf8'), `${path}:${lineNumbers[index]}`);
      } finally {
        await again.close();
      }
    },
  };
}
