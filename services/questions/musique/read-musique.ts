import { TerminalError } from '#platform/errors.ts';
import { parseJsonAt } from '#platform/files/parse-json.ts';
import { readRecords } from '#platform/records/read-records.ts';
import { musiqueRowSchema, type MuSiqueRow } from './musique-row.ts';

/**
 * Rows of an official MuSiQue-Ans file, JSONL as published or any other kind, one at a time. The first row that breaks the schema ends it with
 * `TerminalError` `FILE:LINE: field: what is wrong`; an empty file is an error.
 */
export async function* readMusique(path: string): AsyncGenerator<MuSiqueRow, void, undefined> {
  const placeOfId = new Map<string, string>();
  for await (const { value, place } of readRecords(path)) {
    const row = musiqueRow(value, place);
    const earlier = placeOfId.get(row.id);
    if (earlier !== undefined) throw invalid(place, 'id', `${JSON.stringify(row.id)} is already the id of ${earlier}`);
    placeOfId.set(row.id, place);
    yield row;
  }
  if (placeOfId.size === 0)
    throw new TerminalError('invalid_argument', `${path}: holds no question; expected MuSiQue rows`);
}

/** All rows at once; see `readMusique`. */
export async function readAllMusique(path: string): Promise<MuSiqueRow[]> {
  const rows: MuSiqueRow[] = [];
  for await (const row of readMusique(path)) rows.push(row);
  return rows;
}

/** One row; `place` goes in front of the message of an error. */
export function parseMusiqueRow(line: string, place: string): MuSiqueRow {
  return musiqueRow(parseJsonAt(line, place), place);
}

function musiqueRow(value: unknown, place: string): MuSiqueRow {
  const parsed = musiqueRowSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.map(String).join('.') ?? '';
    throw invalid(place, field === '' ? 'row' : field, issue?.message ?? 'invalid');
  }
  checkSupport(parsed.data, place);
  return parsed.data;
}

function checkSupport(row: MuSiqueRow, place: string): void {
  const indexes = new Set(row.paragraphs.map(({ idx }) => idx));
  if (indexes.size < row.paragraphs.length) throw invalid(place, 'paragraphs', 'two paragraphs have the same idx');
  row.question_decomposition.forEach((step, i) => {
    const { paragraph_support_idx: support } = step;
    if (indexes.has(support)) return;
    throw invalid(place, `question_decomposition.${i}.paragraph_support_idx`, `${support} is no paragraph's idx`);
  });
}

function invalid(place: string, field: string, message: string): TerminalError {
  return new TerminalError('invalid_argument', `${place}: ${field}: ${message}`, { details: { field } });
}
