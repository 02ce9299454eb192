import { createHash } from 'node:crypto';
import { TerminalError } from '#platform/errors.ts';

/** SimpleQA's file (metadata, problem, answer) as rows of format `gradus`. `path` is used in messages. */
export function simpleqaRows(text: string, path: string): { id: string; question: string; answer: string }[] {
  const [header, ...records] = parseCsv(text);
  const at = (name: string): number => {
    const index = header?.fields.indexOf(name) ?? -1;
    if (index >= 0) return index;
    throw new TerminalError(
      'invalid_argument',
      `${path}:1: has no column ${name}; SimpleQA has metadata, problem and answer`,
    );
  };
  const [question, answer] = [at('problem'), at('answer')];
  return records.map(({ fields, line }) => {
    const row = { question: fields[question]?.trim() ?? '', answer: fields[answer]?.trim() ?? '' };
    for (const [column, value] of [['problem', row.question] as const, ['answer', row.answer] as const])
      if (value === '') throw new TerminalError('invalid_argument', `${path}:${line}: ${column}: is empty`);
    return { id: `q-${createHash('sha256').update(row.question).digest('hex').slice(0, 16)}`, ...row };
  });
}

interface CsvRecord {
  /** Of its first field, from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

/** RFC 4180: fields in quotes may hold commas, line ends and doubled quotes. Empty lines are passed over. */
export function parseCsv(text: string): CsvRecord[] {
  const records: CsvRecord[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/gy;
  let fields: string[] = [];
  let line = 1;
  let first = 1;
  const source = text.replace(/^\uFEFF/, '');
  while (field.lastIndex < source.length) {
    const match = field.exec(source);
    if (match === null)
      throw new TerminalError('invalid_argument', `line ${line}: a quote is not closed, or stands within a field`);
    const [whole, quoted, plain = '', end] = match;
    fields.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    line += whole.split('\n').length - 1;
    if (end === ',' && field.lastIndex < source.length) continue;
    if (fields.length > 1 || fields[0] !== '') records.push({ line: first, fields });
    fields = [];
    first = line;
  }
  return records;
}
