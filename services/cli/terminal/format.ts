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

/** An id as lists, headings and hints show it; commands take any beginning of it that is unique. */
export function shortId(id: string): string {
  return id.slice(0, 12);
}

/** 812 bytes, 14.2 kB, 1.3 MB, 8.0 GB: in powers of 1000. */
export function formatSize(bytes: number): string {
  if (bytes < 1_000) return plural(bytes, 'byte');
  for (const [unit, size] of [
    ['kB', 1e3],
    ['MB', 1e6],
  ] as const)
    if (bytes < size * 1_000) return `${(bytes / size).toFixed(1)} ${unit}`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** `1 turn`, `2 turns`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** 0.4 s, 12 s, 3:05 min, 2:10:00 h. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1_000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (value: number): string => String(value).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${two(whole % 60)} min`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)} h`;
}
