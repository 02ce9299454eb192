import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { splitByTags } from '#rewards/metric-names.ts';
import { successesOf, type DecidedStage, type ReportedRow } from './report.ts';

/** Two evaluations of the same rows, row by row: of each the share of its samples that were a success. */
export interface PairedTest {
  /** Rows that both have. */
  readonly rows: number;
  /** Rows that this one has the greater share of, and the smaller one; the others are equal and say nothing. */
  readonly better: number;
  readonly worse: number;
  /** Mean share of this one minus that of the other. */
  readonly difference: number;
  /**
   * Two-sided p of the exact sign test: how often a fair coin, tossed once for every row that differs, is at least as uneven. With one sample a
   * row it is McNemar's exact test.
   */
  readonly p: number;
}

export interface PairedReport extends PairedTest {
  readonly against: string;
  /** Rows of this one that the other has no result for, or that have none here: they are in no pair (P2). */
  readonly unpaired: number;
  readonly by_tag: Readonly<Record<string, PairedTest>>;
}

const leftRow = z.object({ id: z.string(), tags: z.object({ pass_rate: z.coerce.number().exactOptional() }) });

/** Of rows that an evaluation left: by id, the share of its samples that were a success, where any came back. */
export async function readShares(path: string): Promise<Map<string, number>> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  return new Map(
    lines.flatMap((line) => {
      const { id, tags } = leftRow.parse(JSON.parse(line));
      return tags.pass_rate === undefined ? [] : [[id, tags.pass_rate] as const];
    }),
  );
}

/** `shares`: by row id, what the stage `against` found. */
export function pairedReport(
  stage: DecidedStage,
  against: string,
  rows: readonly ReportedRow[],
  shares: ReadonlyMap<string, number>,
): PairedReport {
  const pairs = rows.flatMap((row) => {
    const { n, c } = successesOf(stage, row);
    const before = shares.get(row.id);
    return n === 0 || before === undefined ? [] : [{ tags: row.tags, before, after: c / n }];
  });
  const names = [...new Set(pairs.flatMap(({ tags }) => Object.keys(tags)))].sort();
  const { parts } = splitByTags(pairs, ({ tags }) => tags, names);
  return {
    against,
    ...pairedTest(pairs),
    unpaired: rows.length - pairs.length,
    by_tag: Object.fromEntries([...parts].map(([part, of]) => [part, pairedTest(of)])),
  };
}

export function pairedTest(pairs: readonly { readonly before: number; readonly after: number }[]): PairedTest {
  const better = pairs.filter(({ before, after }) => after > before).length;
  const worse = pairs.filter(({ before, after }) => after < before).length;
  const gained = pairs.reduce((sum, { before, after }) => sum + after - before, 0);
  return {
    rows: pairs.length,
    better,
    worse,
    difference: pairs.length === 0 ? 0 : gained / pairs.length,
    p: signTest(better, worse),
  };
}

/** 2 P(X <= min(a, b)) for X of a + b tosses of a fair coin, at most 1; in logarithms, since 2^-n is 0 from n = 1,075 on. */
export function signTest(a: number, b: number): number {
  const n = a + b;
  let log = -n * Math.LN2;
  let tail = Math.exp(log);
  for (let k = 1; k <= Math.min(a, b); k++) {
    log += Math.log((n - k + 1) / k);
    tail += Math.exp(log);
  }
  return Math.min(1, 2 * tail);
}
