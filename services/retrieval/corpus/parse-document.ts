import { TerminalError } from '#platform/errors.ts';
import { showValue } from '#platform/text/show-value.ts';

export interface Document {
  readonly id: string;
  /** Empty when the row has none. */
  readonly title: string;
  readonly text: string;
}

/** Keys of a row that are read. */
export const documentKeys = ['id', 'title', 'text', 'contents'];

const shapes = '{"id", "contents": "title\\ntext"} or {"id", "title", "text"}';

/**
 * One row of a corpus: `{id, title, text}`, or `{id, contents}` whose first line is the title, with or without quotes
 * (without a line break everything is text). Other keys are ignored; ids may be whole numbers. Errors read `where: field: …`.
 */
export function parseDocument(row: unknown, where: string): Document {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw invalid(where, `found ${kindOf(row)}; expected ${shapes}`);
  }
  const fields: Readonly<Record<string, unknown>> = { ...row };
  const id = idOf(fields['id'], where);
  if (fields['text'] !== undefined) {
    const title = fields['title'] === undefined ? '' : stringOf('title', fields['title'], where);
    return { id, title, text: stringOf('text', fields['text'], where) };
  }
  if (fields['contents'] === undefined) throw invalid(where, `contents: missing; expected ${shapes}`);
  const contents = stringOf('contents', fields['contents'], where);
  const end = contents.indexOf('\n');
  return end < 0
    ? { id, title: '', text: contents }
    : { id, title: withoutQuotes(contents.slice(0, end).trim()), text: contents.slice(end + 1) };
}

/** Search-R1's corpora quote the title: `"Paris (city)"`. A title that only begins with a quotation stays. */
function withoutQuotes(title: string): string {
  return /^"[^"]+"$/.test(title) ? title.slice(1, -1) : title;
}

function idOf(value: unknown, where: string): string {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (value === undefined) throw invalid(where, `id: missing; expected ${shapes}`);
  if (typeof value !== 'string') throw invalid(where, `id: found ${kindOf(value)}; expected a string`);
  if (value === '') throw invalid(where, 'id: empty; give every document its own id');
  if (!value.isWellFormed()) throw invalid(where, 'id: holds half of a surrogate pair; give whole characters');
  return value;
}

function stringOf(field: string, value: unknown, where: string): string {
  if (typeof value !== 'string') throw invalid(where, `${field}: found ${kindOf(value)}; expected a string`);
  return value;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `the ${typeof value} ${showValue(value)}`;
}

function invalid(where: string, problem: string): TerminalError {
  return new TerminalError('invalid_argument', `${where}: ${problem}`);
}
