import { createHash } from 'node:crypto';
import { access, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { unreadable } from '#platform/files/file-error.ts';
import type { MuSiqueRow } from './musique-row.ts';
import { readAllMusique } from './read-musique.ts';
import { selectJanNano } from './select-jan-nano.ts';
import type { Recipe } from '#recipe/schema.ts';
import { readDataInfo, requireSame, writeWholeDirectory } from '../prepared-directory.ts';

export type MusiqueOptions = NonNullable<Recipe['data']['musique']>;

/** data.json next to the split: what it was made from and what is in it. */
const splitInfoSchema = z.strictObject({
  format: z.literal(1),
  questions: z.string(),
  corpus: z.string(),
  selection: z.enum(['all', 'jan_nano']),
  train: z.int(),
  heldOut: z.int(),
  trainByHops: z.record(z.string(), z.int()),
  heldOutByHops: z.record(z.string(), z.int()),
});
export type SplitInfo = z.infer<typeof splitInfoSchema>;

export interface MusiqueSplit {
  readonly train: string;
  readonly heldOut: string;
  readonly corpus: string;
  readonly info: SplitInfo;
}

/**
 * The rows with the smallest SHA-256 of their id are held out. The choice depends on nothing but the ids: neither the
 * order of the file nor the seed of a run moves a question across the line.
 */
export function splitRows<Row extends { readonly id: string }>(
  rows: readonly Row[],
  heldOut: number,
): { train: Row[]; heldOut: Row[] } {
  if (heldOut >= rows.length) {
    throw new TerminalError(
      'invalid_argument',
      `held_out: ${heldOut} of ${rows.length} questions leaves no question to train on; hold out fewer`,
    );
  }
  const keyed = rows.map((row) => ({ row, key: createHash('sha256').update(row.id).digest('hex') }));
  const chosen = new Set(
    keyed
      .toSorted((a, b) => (a.key < b.key ? -1 : 1))
      .slice(0, heldOut)
      .map(({ row }) => row.id),
  );
  return { train: rows.filter((row) => !chosen.has(row.id)), heldOut: rows.filter((row) => chosen.has(row.id)) };
}

/** `2`, `3` or `4`: the first digit of an id such as `3hop1__1_2_3`. */
export function countByHops(rows: readonly { readonly id: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { id } of rows) counts[id.slice(0, 1)] = (counts[id.slice(0, 1)] ?? 0) + 1;
  return counts;
}

/** All rows of the file, those that are trained on, and those that are held out, as `writeMusiqueSplit` would write them. */
export async function readMusiqueSplit(
  options: Pick<MusiqueOptions, 'questions' | 'selection' | 'held_out'>,
): Promise<{ all: MuSiqueRow[]; train: MuSiqueRow[]; heldOut: MuSiqueRow[] }> {
  const all = await readAllMusique(options.questions);
  return { all, ...splitRows(options.selection === 'jan_nano' ? selectJanNano(all) : all, options.held_out) };
}

/**
 * Writes DIR/{train.jsonl, held_out.jsonl, corpus.jsonl unless one is given, data.json}, all or nothing. When DIR has
 * been written from the same source already it is left as it is; a DIR that holds anything else is refused.
 */
export async function writeMusiqueSplit(options: MusiqueOptions, directory: string): Promise<MusiqueSplit> {
  const target = resolve(directory);
  const paths = {
    train: join(target, 'train.jsonl'),
    heldOut: join(target, 'held_out.jsonl'),
    corpus: options.corpus ?? join(target, 'corpus.jsonl'),
  };
  const there = await readDataInfo(target, splitInfoSchema);
  if (there !== undefined) {
    requireSameSource(there, options, target);
    await requireFile(paths.corpus, 'corpus');
    return { ...paths, info: there };
  }
  if (options.corpus !== undefined) await requireFile(options.corpus, 'corpus');

  const { all, train, heldOut } = await readMusiqueSplit(options);
  const info: SplitInfo = {
    format: 1,
    questions: options.questions,
    corpus: paths.corpus,
    selection: options.selection,
    train: train.length,
    heldOut: heldOut.length,
    trainByHops: countByHops(train),
    heldOutByHops: countByHops(heldOut),
  };
  await writeWholeDirectory(target, async (staging) => {
    await writeJsonLines(join(staging, 'train.jsonl'), train);
    await writeJsonLines(join(staging, 'held_out.jsonl'), heldOut);
    // Passages of every question, also of those not selected: a corpus without distractors would be too easy.
    if (options.corpus === undefined) await writeJsonLines(join(staging, 'corpus.jsonl'), await buildCorpus(all));
    await writeFile(join(staging, 'data.json'), JSON.stringify(info, undefined, 2));
  });
  return { ...paths, info };
}

function requireSameSource(there: SplitInfo, options: MusiqueOptions, directory: string): void {
  requireSame(directory, [
    ['questions', there.questions, options.questions],
    ['selection', there.selection, options.selection],
    ['heldOut', there.heldOut, options.held_out],
    // One made from the questions moves with the folder.
    ['corpus', there.corpus, options.corpus ?? there.corpus],
  ]);
}

async function requireFile(path: string, field: string): Promise<void> {
  try {
    await access(path);
  } catch (cause) {
    throw new TerminalError('invalid_argument', `data.musique.${field}: ${path}: ${unreadable(cause)}`, { cause });
  }
}

async function writeJsonLines(path: string, rows: readonly object[]): Promise<void> {
  await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

/** A passage of a retrieval corpus: `contents` is `title\ntext`. */
export interface Passage {
  readonly id: string;
  readonly contents: string;
}

/** All paragraphs of all rows, exact duplicates removed, sorted; the ids follow that order, so equal rows give equal ids. */
export async function buildCorpus(rows: AsyncIterable<MuSiqueRow> | Iterable<MuSiqueRow>): Promise<Passage[]> {
  const contents = new Set<string>();
  for await (const row of rows) {
    for (const { title, paragraph_text: text } of row.paragraphs) contents.add(`${title}\n${text}`);
  }
  const width = Math.max(5, String(contents.size).length);
  return [...contents]
    .sort()
    .map((passage, index) => ({ id: `p${String(index).padStart(width, '0')}`, contents: passage }));
}
