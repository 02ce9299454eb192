import { createHash } from 'node:crypto';
import { TerminalError } from '#platform/errors.ts';
import { readJsonValues } from '#platform/files/read-json-values.ts';
import { rowLimits } from './question-row.ts';
import { formats, type RowFormat, type SourceRow } from './row-formats.ts';

export interface PlacedRow {
  readonly row: SourceRow;
  /** For messages: `FILE:LINE`. */
  readonly place: string;
}

export interface ReadRowsOptions {
  readonly format: RowFormat;
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
  const { schema, keys } = formats[options.format];
  const known = new Set(keys);
  const unread = new Set<string>();
  const seen = options.seen ?? new Map<string, string>();
  let count = 0;
  for await (const { value, place } of readJsonValues(path)) {
    const row = parseRow(schema, value, place);
    for (const key of Object.keys(Object(value))) {
      if (known.has(key) || unread.has(key) || unread.size >= maxUnreadKeys) continue;
      unread.add(key);
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

function parseRow(schema: (typeof formats)[RowFormat]['schema'], value: unknown, place: string): SourceRow {
  const parsed = schema.safeParse(value, { reportInput: true });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const path = issue?.path.map(String).join('.') ?? '';
    const missing = issue?.code === 'invalid_type' && issue.input === undefined && path !== '';
    const inner = issue?.code === 'invalid_key' ? issue.issues[0] : issue;
    const message = missing ? 'is missing; fill it in' : (inner?.message ?? 'invalid');
    throw invalid(place, path === '' ? 'row' : path, issue?.input, message);
  }
  const { data, gold } = parsed.data;
  const characters = JSON.stringify(data).length + JSON.stringify(gold).length;
  if (characters > rowLimits.characters) {
    const message = `${characters} characters; at most ${rowLimits.characters} are carried by a task`;
    throw invalid(place, 'row', undefined, message);
  }
  return parsed.data;
}

function invalid(place: string, field: string, value: unknown, message: string): TerminalError {
  const shown = value === undefined ? '' : `${shorten(JSON.stringify(value))} `;
  return new TerminalError('invalid_argument', `${place}: ${field}: ${shown}${message}`, { details: { field } });
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
