import { TerminalError } from '../errors.ts';
import { shortText } from '../text/show-value.ts';
import { badRecord, decodeRecord, maxRecordBytes, type FileRecord, type ReadRecordsOptions } from './file-record.ts';

const [quote, newline] = Buffer.from('"\n');

/**
 * The records of a CSV file (RFC 4180) by the names in its header, every cell as text. Fields in quotes may hold delimiters, line ends and
 * doubled quotes; a blank cell is no value; blank lines are skipped. A column whose name is blank, as an index without a name
 * has it, is `column N`.
 */
export async function* csvRecords(
  path: string,
  bytes: AsyncIterable<Buffer>,
  delimiters: readonly string[],
  { onBadRecord }: ReadRecordsOptions = {},
): AsyncGenerator<FileRecord, void, undefined> {
  let columns: readonly string[] | undefined;
  let split: FieldSplitter | undefined;
  for await (const { pieces, line } of cutLines(path, bytes)) {
    const place = `${path}:${line}`;
    try {
      const text = decodeRecord(Buffer.concat(pieces), place).replace(/\r$/, '');
      if (text === '') continue;
      split ??= splitterOf(text, delimiters);
      const fields = split(text, place);
      if (columns === undefined) {
        columns = columnsOf(fields, place);
        continue;
      }
      if (fields.length !== columns.length) throw ragged(fields, columns, place);
      yield { value: valueOf(columns, fields), place, number: line, columns };
    } catch (thrown) {
      // Nothing can be read under a header that cannot.
      if (onBadRecord === undefined || columns === undefined || !(thrown instanceof TerminalError)) throw thrown;
      onBadRecord(thrown, line);
    }
  }
}

interface CutLine {
  readonly pieces: readonly Buffer[];
  /** Where it begins, from 1. */
  readonly line: number;
}

/** Ends at line ends that are in no quotes: bytes of UTF-8 beyond ASCII are never those of a quote. */
async function* cutLines(path: string, bytes: AsyncIterable<Buffer>): AsyncGenerator<CutLine, void, undefined> {
  let pieces: Buffer[] = [];
  let size = 0;
  let inQuotes = false;
  let line = 1;
  let first = 1;
  for await (const chunk of bytes) {
    let start = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at];
      if (byte === quote) inQuotes = !inQuotes;
      if (byte !== newline) continue;
      line += 1;
      if (inQuotes) continue;
      pieces.push(chunk.subarray(start, at));
      yield { pieces, line: first };
      pieces = [];
      size = 0;
      first = line;
      start = at + 1;
    }
    pieces.push(chunk.subarray(start));
    size += chunk.length - start;
    if (size > maxRecordBytes)
      throw badRecord(
        `${path}:${first}`,
        `longer than ${maxRecordBytes} bytes; a quote on this line may not be closed`,
      );
  }
  if (size > 0) yield { pieces, line: first };
}

type FieldSplitter = (text: string, place: string) => string[];

function splitterOf(header: string, delimiters: readonly string[]): FieldSplitter {
  const bare = header.replaceAll(/"[^"]*"/g, '');
  const delimiter = delimiters.find((one) => bare.includes(one)) ?? delimiters[0] ?? ',';
  const field = new RegExp(`(?:"([^"]*(?:""[^"]*)*)"|([^"${delimiter}]*))(${delimiter}|$)`, 'y');
  return (text, place) => {
    if (!text.includes('"')) return text.split(delimiter);
    const fields: string[] = [];
    field.lastIndex = 0;
    for (;;) {
      const match = field.exec(text);
      if (match === null) {
        const problem = 'a quote is not closed, or stands within a field; quote the field, and double the quotes in it';
        throw badRecord(place, problem);
      }
      const [, quoted, plain = '', end] = match;
      fields.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
      if (end === '') return fields;
    }
  };
}

function columnsOf(fields: readonly string[], place: string): readonly string[] {
  if (fields.some((field) => field.includes('\r')))
    throw badRecord(place, 'lines end in CR alone; save the file with line ends of LF or CRLF');
  const columns = fields.map((field, at) => field.trim() || `column ${at + 1}`);
  const twice = columns.find((column, at) => columns.indexOf(column) < at);
  if (twice !== undefined)
    throw badRecord(place, `column ${JSON.stringify(twice)} is there twice; give every column a name of its own`);
  return columns;
}

function valueOf(columns: readonly string[], fields: readonly string[]): object {
  return Object.fromEntries(
    columns.flatMap((column, at) => {
      const field = fields[at] ?? '';
      return field === '' ? [] : [[column, field]];
    }),
  );
}

function ragged(fields: readonly string[], columns: readonly string[], place: string): TerminalError {
  const named = shortText(columns.join(', '), 200);
  const fix =
    fields.length > columns.length ? '; quote a field that holds the delimiter' : '; fill it up, blank or not';
  return badRecord(place, `has ${fields.length} fields, and the header has ${columns.length} (${named})${fix}`);
}
