/** Reads the fields of a JSON body; what cannot be read throws `invalid_argument` with field, value and remedy. */
import { TerminalError } from '#platform/errors.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import { showValue } from '#platform/text/show-value.ts';

/** Comparing a word with the known ones takes long enough to matter when there are many. */
const mostUnknownRead = 64;

export type Fields = Readonly<Record<string, unknown>>;

/**
 * The body as an object. Keys that no route knows are ignored, as the servers do whose clients come here; one that is
 * nearly a known key is a slip of the pen, and an error.
 */
export function fieldsOf(body: unknown, known: readonly string[]): Fields {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw invalid(`body: found ${kindOf(body)}; give a JSON object with ${known.join(', ')}`);
  }
  const fields: Fields = { ...body };
  const unknown = Object.keys(fields).filter((key) => !known.includes(key));
  for (const key of unknown.slice(0, mostUnknownRead)) {
    const meant = suggest(key, known);
    if (meant !== undefined && !Object.hasOwn(fields, meant))
      throw invalid(`${key}: unknown; did you mean '${meant}'?`);
  }
  return fields;
}

export function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === 'string') return value;
  throw invalid(`${name}: found ${kindOf(value)}; give a string`);
}

export function textsOf(fields: Fields, name: string, most: number): readonly string[] {
  const value = fields[name];
  if (!Array.isArray(value)) throw invalid(`${name}: found ${kindOf(value)}; give a list of strings`);
  if (value.length > most) throw invalid(`${name}: found ${value.length}; give at most ${most} of them`);
  return value.map((item: unknown, index) => {
    if (typeof item === 'string') return item;
    throw invalid(`${name}[${index}]: found ${kindOf(item)}; give a string`);
  });
}

/** Absent, null and 0 mean the default, as Search-R1's server has it. */
export function countOf(fields: Fields, name: string, { usual, most }: { usual: number; most: number }): number {
  const value = fields[name] ?? 0;
  if (value === 0) return usual;
  if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= most) return value;
  throw invalid(`${name}: found ${kindOf(value)}; give a whole number from 1 to ${most}, or 0 for ${usual}`);
}

/** Absent and null mean no. */
export function flagOf(fields: Fields, name: string): boolean {
  const value = fields[name] ?? false;
  if (typeof value === 'boolean') return value;
  throw invalid(`${name}: found ${kindOf(value)}; give true or false`);
}

export function invalid(message: string): TerminalError {
  return new TerminalError('invalid_argument', message);
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  return `the ${typeof value} ${showValue(value, 60)}`;
}
