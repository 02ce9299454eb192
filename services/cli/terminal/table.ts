import Table from 'cli-table3';
import { shownCell } from './colours.ts';

export interface TableOptions {
  readonly head?: readonly string[];
  readonly align?: readonly ('left' | 'right')[];
  /** null: as wide as what is in it. */
  readonly widths?: readonly (number | null)[];
  /** Without lines between rows. */
  readonly compact?: boolean;
}

/** Rows of text from anywhere as the lines of a table; what a terminal would act on is shown as escapes before it is measured. */
export function tableLines(rows: readonly (readonly string[])[], options: TableOptions = {}): string[] {
  const { head = [], align, widths, compact = false } = options;
  const table = new Table({
    head: head.map(shownCell),
    style: { head: [], border: [], compact },
    ...(align !== undefined && { colAligns: [...align] }),
    ...(widths !== undefined && { colWidths: [...widths], wordWrap: true }),
  });
  for (const row of rows) table.push(row.map(shownCell));
  return table.toString().split('\n');
}
