import { resolve } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { formats, type RowFormat } from '#questions/formats/index.ts';
import type { SourceRow } from '#questions/formats/row-format.ts';
import { unknownFields } from '#questions/named-columns.ts';
import { plainRow } from '#questions/question-row.ts';
import { readRows } from '#questions/read-rows.ts';
import { exitCodes } from '../exit-codes.ts';
import { asIs, jsonLine } from '../terminal/json-line.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface DataRowsOptions {
  readonly format: RowFormat;
  readonly column: Readonly<Record<string, string>>;
  readonly json: boolean;
}

/** Values of a tag that are listed; one with more of them, such as a number, is only named. */
const shownValues = 20;

/** Reads and checks every row of a file, and shows what Gradus sees: the first row, tags, and columns that nothing reads. */
export async function dataRowsCommand(file: string, options: DataRowsOptions, terminal: Terminal): Promise<number> {
  const { format, column: columns } = options;
  const wrong = unknownFields(format, columns).map(({ field, message }) => `--column ${field}: ${message}`);
  if (wrong.length > 0) throw new TerminalError('invalid_argument', wrong.join('; '));
  const unread: string[] = [];
  const tags = new Map<string, Map<string, number>>();
  let first: SourceRow | undefined;
  let rows = 0;
  const onUnreadKey = (key: string): void => void unread.push(key);
  for await (const { row } of readRows(resolve(file), { format, columns, onUnreadKey })) {
    first ??= row;
    rows += 1;
    for (const [tag, value] of Object.entries(row.tags)) {
      const counts = tags.get(tag) ?? new Map<string, number>();
      counts.set(value, (counts.get(value) ?? 0) + 1);
      tags.set(tag, counts);
    }
  }
  const shown = first && plainRow(first);
  if (options.json) {
    const counted = Object.fromEntries([...tags].map(([tag, counts]) => [tag, Object.fromEntries(counts)]));
    terminal.out(jsonLine({ file, format, rows, unread, tags: asIs(counted), first: asIs(shown) }));
    return exitCodes.ok;
  }
  terminal.out([
    `${file}: ${rows} rows of format ${format}`,
    `not read: ${unread.join(', ') || 'nothing'}`,
    `paragraphs: ${formats[format].hasParagraphs ? 'a corpus is made of them' : 'none; name a corpus where one is searched'}`,
    'first row:',
    ...Object.entries({ ...shown }).map(([key, value]) => `  ${key.padEnd(4)}  ${jsonLine(asIs(value))}`),
    ...[...tags].map(([tag, counts]) => `tag ${tag}: ${listOf(counts)}`),
  ]);
  return exitCodes.ok;
}

function listOf(counts: ReadonlyMap<string, number>): string {
  if (counts.size > shownValues) return `${counts.size} values`;
  return [...counts].map(([value, count]) => `${value} ${count}`).join(', ');
}
