import { TerminalError } from '#platform/errors.ts';
import type { FileRecord } from '#platform/records/file-record.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import { firstOf } from '#platform/text/show-value.ts';
import { formats, type RowFormat } from './formats/index.ts';

/** By field of the format, or a part of one as `tags.level`: the column or key of the file that holds it. */
export type Columns = Readonly<Record<string, string>>;

/** Fields that the format does not have, a sentence each. */
export function unknownFields(format: RowFormat, columns: Columns): { field: string; message: string }[] {
  const { keys, nested } = formats[format];
  return Object.keys(columns).flatMap((field) => {
    const [key = '', part] = field.split(/\.(.*)/s);
    const isKnown = part === undefined ? keys.includes(key) : part !== '' && nested.includes(key);
    if (isKnown) return [];
    const meant = suggest(field, keys);
    const there = [...keys, ...nested.map((one) => `${one}.NAME`)].join(', ');
    const help = meant === undefined ? `; it has ${there}` : `; did you mean ${meant}?`;
    return [{ field, message: `is no field of format ${format}${help}` }];
  });
}

/** Throws TerminalError that names every column that a table does not have. */
export function requireColumns(path: string, there: readonly string[], columns: Columns): void {
  const problems = Object.entries(columns).flatMap(([field, column]) => {
    if (there.includes(column)) return [];
    const meant = suggest(column, there);
    return [
      `columns.${field}: ${JSON.stringify(column)} is no column${meant === undefined ? '' : `; did you mean ${meant}?`}`,
    ];
  });
  if (problems.length === 0) return;
  throw new TerminalError('invalid_argument', `${path}: ${problems.join('; ')} (the columns are ${listOf(there)})`);
}

export function listOf(columns: readonly string[]): string {
  return firstOf(columns).join(', ');
}

export interface NamedValue {
  /** As the format spells it. */
  readonly value: unknown;
  /** Columns or keys that nothing reads. */
  readonly unread: readonly string[];
}

/**
 * A record under the names of its format. Text of a table becomes JSON where the format has a list, an object or a number; then
 * columns for parts are added, but to nothing other than an object: that is for the schema to refuse.
 */
export function namedValue({ value, columns: table }: FileRecord, format: RowFormat, columns: Columns): NamedValue {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { value, unread: [] };
  const { keys, jsonKeys } = formats[format];
  const source: Readonly<Record<string, unknown>> = { ...value };
  const taken = new Set(Object.values(columns));
  const replaced = new Set(Object.keys(columns));
  const isRead = (key: string): boolean => taken.has(key) || (keys.includes(key) && !replaced.has(key));
  // A strict schema reports what it does not have itself, but for what a name was given to.
  const own = Object.entries(source).filter(([key]) => !replaced.has(key) && !(taken.has(key) && !keys.includes(key)));
  const named: Record<string, unknown> = Object.fromEntries(own);
  const given = Object.entries(columns).flatMap(([field, column]) => {
    const { [column]: found } = source;
    const [key = '', part] = field.split(/\.(.*)/s);
    return found === undefined ? [] : [{ key, part, found }];
  });
  for (const { key, part, found } of given) if (part === undefined) named[key] = found;
  if (table !== undefined)
    for (const [key, begins] of Object.entries(jsonKeys)) named[key] = jsonOrText(named[key], begins);
  for (const { key, part, found } of given) {
    const whole = named[key] ?? {};
    if (part !== undefined && typeof whole === 'object' && !Array.isArray(whole))
      named[key] = { ...whole, [part]: found };
  }
  return { value: named, unread: (table ?? Object.keys(source)).filter((key) => !isRead(key)) };
}

/** What is no JSON is for the schema to refuse. */
function jsonOrText(cell: unknown, begins: RegExp): unknown {
  if (typeof cell !== 'string' || !begins.test(cell)) return cell;
  try {
    const value: unknown = JSON.parse(cell);
    return value;
  } catch {
    return cell;
  }
}
