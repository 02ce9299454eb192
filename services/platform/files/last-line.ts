import { open } from 'node:fs/promises';
import { TerminalError, errorFrom } from '../errors.ts';
import { fileError } from './file-error.ts';
import { parseJsonAt } from './parse-json.ts';

const firstBytes = 64 * 1024;
const mostBytes = 64 * 1024 * 1024;

/**
 * Why a file of JSON lines does not end with one, as a copy that broke off leaves it, in words that begin with its path; undefined when
 * it does. Reads no more than its last line.
 */
export async function lastLineProblem(path: string): Promise<string | undefined> {
  try {
    const line = await lastLine(path);
    if (line === '') return `${path}: is empty`;
    parseJsonAt(line, `${path}: its last line`);
    return undefined;
  } catch (thrown) {
    return errorFrom(fileError(path, thrown)).message;
  }
}

/** Without blank lines after it. */
async function lastLine(path: string): Promise<string> {
  await using file = await open(path);
  const { size } = await file.stat();
  for (let bytes = firstBytes; bytes <= mostBytes; bytes *= 2) {
    const length = Math.min(bytes, size);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const text = buffer.toString('utf8').trimEnd();
    const start = text.lastIndexOf('\n');
    if (start >= 0 || length === size) return text.slice(start + 1).trim();
  }
  throw new TerminalError('invalid_argument', `${path}: its last line is longer than ${mostBytes} bytes`);
}
