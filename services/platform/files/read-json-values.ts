import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { TerminalError } from '../errors.ts';
import { fileError } from './file-error.ts';
import { parseJsonAt } from './parse-json.ts';
import { readLines } from './read-lines.ts';

export interface JsonValue {
  readonly value: unknown;
  /** For messages: `FILE:LINE` in a file of lines, `FILE:LINE: row N` (from 0) in an array. */
  readonly place: string;
}

/** A value longer than this is an error rather than a reason to run out of memory. */
const maxValueBytes = 16 * 1024 * 1024;

const [quote, backslash, comma, open1, open2, close1, close2] = Buffer.from('"\\,[{]}');
const newline = 0x0a;
const whiteSpace: ReadonlySet<number> = new Set(Buffer.from(' \t\r\n'));

/**
 * The values of a file, one at a time and without reading it whole: the elements of one JSON array when it begins with `[`,
 * else one value per line (blank lines are skipped). Throws TerminalError that begins with the place.
 */
export async function* readJsonValues(path: string): AsyncGenerator<JsonValue, void, undefined> {
  if (await beginsWithBracket(path)) {
    yield* readElements(path);
    return;
  }
  for await (const { text, number } of readLines(path)) {
    if (text.trim() === '') continue;
    const place = `${path}:${number}`;
    if (text.length > maxValueBytes) throw tooLong(place);
    yield { value: parseJsonAt(text, place), place };
  }
}

async function beginsWithBracket(path: string): Promise<boolean> {
  try {
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
    return /^\uFEFF?\s*\[/.test(buffer.toString('utf8', 0, bytesRead));
  } catch (thrown) {
    throw fileError(path, thrown);
  }
}

async function* readElements(path: string): AsyncGenerator<JsonValue, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let parts: Buffer[] = [];
  let bytes = 0;
  /** Brackets that are open; 0 before the array and after it. */
  let depth = 0;
  let inString = false;
  let escaped = false;
  let ended = false;
  let row = 0;
  let line = 1;
  let rowLine = 1;

  const place = (): string => `${path}:${rowLine}: row ${row}`;
  const keep = (piece: Buffer): void => {
    bytes += piece.length;
    if (bytes > maxValueBytes) throw tooLong(place());
    parts.push(piece);
  };
  /** The element that has been kept; undefined when there is nothing but white space. */
  const finish = (): JsonValue | undefined => {
    let text: string;
    try {
      text = decoder.decode(Buffer.concat(parts));
    } catch (cause) {
      throw new TerminalError('invalid_argument', `${place()}: not valid UTF-8; save the file as UTF-8`, { cause });
    }
    parts = [];
    bytes = 0;
    if (text.trim() === '') return undefined;
    const value = { value: parseJsonAt(text, place()), place: place() };
    row += 1;
    return value;
  };

  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
      let start = 0;
      for (let at = 0; at < chunk.length; at += 1) {
        const byte = chunk[at];
        if (byte === newline) line += 1;
        if (inString) {
          if (escaped) escaped = false;
          else if (byte === backslash) escaped = true;
          else if (byte === quote) inString = false;
        } else if (ended) {
          if (byte !== undefined && !whiteSpace.has(byte)) {
            throw invalid(`${path}:${line}`, 'there is more after the array; give one array');
          }
        } else if (byte === quote) {
          inString = true;
        } else if (byte === open1 || byte === open2) {
          depth += 1;
          if (depth === 1) start = at + 1;
          if (depth === 2) rowLine = line;
        } else if (byte === close1 || byte === close2 || (byte === comma && depth === 1)) {
          const isComma = byte === comma;
          if (depth === 1) {
            keep(chunk.subarray(start, at));
            const value = finish();
            if (value !== undefined) yield value;
            else if (isComma || row > 0) throw invalid(place(), `a value is missing before the ${isComma ? ',' : ']'}`);
            start = at + 1;
            rowLine = line;
          }
          if (!isComma) {
            depth -= 1;
            ended = depth === 0;
          }
        }
      }
      if (depth > 0) keep(chunk.subarray(start));
    }
  } catch (thrown) {
    throw fileError(path, thrown);
  }
  if (!ended) throw invalid(place(), 'the file ends before the array does; it is cut off');
}

function tooLong(place: string): TerminalError {
  return invalid(place, `longer than ${maxValueBytes} bytes; one question per row is expected`);
}

function invalid(place: string, problem: string): TerminalError {
  return new TerminalError('invalid_argument', `${place}: ${problem}`);
}
