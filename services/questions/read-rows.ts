import { createHash } from 'node:crypto';
import { TerminalError } from '#platform/errors.ts';
import type { FileRecord } from '#platform/records/file-record.ts';
import { readRecords } from '#platform/records/read-records.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import { formats, type RowFormat } from './formats/index.ts';
import type { SourceRow } from './formats/row-format.ts';
import { listOf, namedValue, requireColumns, type Columns, type NamedValue } from './named-columns.ts';
import { rowLimits } from './question-row.ts';

export interface PlacedRow {
  readonly row: SourceRow;
  /** For messages: `FILE:LINE`. */
  readonly place: string;
}

export interface ReadRowsOptions {
  readonly format: RowFormat;
  /** Where the file names its columns otherwise than the format does. */
  readonly columns?: Columns | undefined;
  /** Where each id has been seen, by `idKey`; shared between files whose ids must differ. */
  readonly seen?: Map<string, string>;
  /** Called for each key that the format does not read, once. */
  readonly onUnreadKey?: (key: string) => void;
}

/** All rows of a run are held in memory by its coordinator. */
export const maxRows = 1_000_000;
/** Unread keys that are reported; a file whose every row has others would be endless. */
const maxUnreadKeys = 20;

/** 16 bytes of the SHA-256 of an id: what is kept of a million of them. Smaller keys are held out first (decision 0024). */
export function idKey(id: string): string {
  return createHash('sha256').update(id).digest().toString('latin1', 0, 16);
}

/**
 * The rows of a file, one at a time. Throws TerminalError `FILE:LINE: field: VALUE what is wrong; fix` at the first that breaks
 * the format, whose id is taken, or that is too large; a file without rows is an error as well.
 */
export async function* readRows(path: string, options: ReadRowsOptions): AsyncGenerator<PlacedRow, void, undefined> {
  const { format, columns = {} } = options;
  const reported = new Set<string>();
  const seen = options.seen ?? new Map<string, string>();
  let count = 0;
  for await (const record of readRecords(path, { columns: [...formats[format].keys, ...Object.values(columns)] })) {
    const { place } = record;
    if (count === 0 && record.columns !== undefined) requireColumns(path, record.columns, columns);
    const named = namedValue(record, format, columns);
    const row = parseRow(record, format, named, columns);
    for (const key of named.unread) {
      if (reported.has(key) || reported.size >= maxUnreadKeys) continue;
      reported.add(key);
      options.onUnreadKey?.(key);
    }
    const key = idKey(row.id);
    const earlier = seen.get(key);
    if (earlier !== undefined) {
      throw invalid(place, 'id', row.id, `is already the id of ${earlier}; give every row its own, once`);
    }
    seen.set(key, place);
    count += 1;
    if (count > maxRows) throw new TerminalError('invalid_argument', `${path}: more than ${maxRows} rows; use fewer`);
    yield { row, place };
  }
  if (count === 0) throw new TerminalError('invalid_argument', `${path}: holds no row; give at least one`);
}

function parseRow(record: FileRecord, format: RowFormat, named: NamedValue, columns: Columns): SourceRow {
  const { place } = record;
  const parsed = formats[format].schema.safeParse(named.value, { reportInput: true });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const path = issue?.path.map(String).join('.') ?? '';
    const inner = issue?.code === 'invalid_key' ? issue.issues[0] : issue;
    const isMissing = issue?.input === undefined && path !== '' && issue?.code === 'invalid_type';
    const message = isMissing ? 'is missing; fill it in' : (inner?.message ?? 'invalid');
    const help = message.startsWith('is missing') ? missingHelp(path, record, named, columns) : '';
    throw invalid(place, path === '' ? 'row' : path, issue?.input, `${message}${help}`);
  }
  const { data, gold } = parsed.data;
  const characters = JSON.stringify(data).length + JSON.stringify(gold).length;
  if (characters > rowLimits.characters) {
    const message = `${characters} characters; at most ${rowLimits.characters} are carried by a task`;
    throw invalid(place, 'row', undefined, message);
  }
  return parsed.data;
}

/** Where a field that is missing may be. */
function missingHelp(field: string, { columns: table }: FileRecord, { unread }: NamedValue, columns: Columns): string {
  const { [field]: column = field } = columns;
  if (table?.includes(column) === true) return `; column ${column} is blank here`;
  if (unread.length === 0) return '';
  const meant = suggest(field, unread);
  const guess = meant === undefined ? '' : ` (did you mean ${meant}?)`;
  return `; not read are ${listOf(unread)}${guess}: data.rows.columns of a recipe names the one that has it`;
}

function invalid(place: string, field: string, value: unknown, message: string): TerminalError {
  const shown = value === undefined ? '' : `${shorten(JSON.stringify(value))} `;
  return new TerminalError('invalid_argument', `${place}: ${field}: ${shown}${message}`, { details: { field } });
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
