import { TerminalError } from '../errors.ts';
import { parseJsonAt } from '../files/parse-json.ts';
import { readLines } from '../files/read-lines.ts';
import { badRecord, decodeRecord, maxRecordBytes, type FileRecord, type ReadRecordsOptions } from './file-record.ts';

const [quote, backslash, comma, open1, open2, close1, close2] = Buffer.from('"\\,[{]}');
const newline = 0x0a;
const whiteSpace: ReadonlySet<number> = new Set(Buffer.from(' \t\r\n'));

/** The elements of one JSON array when the bytes begin with `[`, else one value per line; blank lines are skipped. */
export async function* jsonRecords(
  path: string,
  bytes: AsyncGenerator<Buffer, void, undefined>,
  options: ReadRecordsOptions = {},
): AsyncGenerator<FileRecord, void, undefined> {
  const next = await bytes.next();
  const first = next.done === true ? Buffer.alloc(0) : next.value;
  const all = startingWith(first, bytes);
  if (/^\uFEFF?\s*\[/.test(first.toString('utf8', 0, 4096))) yield* arrayElements(path, all);
  else yield* lineValues(path, all, options);
}

async function* startingWith(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  yield first;
  yield* rest;
}

async function* lineValues(
  path: string,
  input: AsyncIterable<Buffer>,
  { onBadRecord }: ReadRecordsOptions,
): AsyncGenerator<FileRecord, void, undefined> {
  for await (const { text, number } of readLines(path, { input, onBadLine: onBadRecord })) {
    if (text.trim() === '') continue;
    const place = `${path}:${number}`;
    let value: unknown;
    try {
      value = parseJsonAt(text, place);
    } catch (thrown) {
      if (onBadRecord === undefined || !(thrown instanceof TerminalError)) throw thrown;
      onBadRecord(thrown, number);
      continue;
    }
    yield { value, place, number };
  }
}

async function* arrayElements(
  path: string,
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<FileRecord, void, undefined> {
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
    if (bytes > maxRecordBytes) throw tooLong(place());
    parts.push(piece);
  };
  /** The element that has been kept; undefined when there is nothing but white space. */
  const finish = (): FileRecord | undefined => {
    const text = decodeRecord(Buffer.concat(parts), place());
    parts = [];
    bytes = 0;
    if (text.trim() === '') return undefined;
    const value = { value: parseJsonAt(text, place()), place: place(), number: rowLine };
    row += 1;
    return value;
  };

  for await (const chunk of chunks) {
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
          throw badRecord(`${path}:${line}`, 'there is more after the array; give one array');
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
          else if (isComma || row > 0) throw badRecord(place(), `a value is missing before the ${isComma ? ',' : ']'}`);
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
  if (!ended) throw badRecord(place(), 'the file ends before the array does; it is cut off');
}

function tooLong(place: string): TerminalError {
  return badRecord(place, `longer than ${maxRecordBytes} bytes; one question per row is expected`);
}
