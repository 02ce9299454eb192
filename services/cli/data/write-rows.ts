import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { plainRow } from '#questions/question-row.ts';
import { idKey, readRows, type PlacedRow } from '#questions/read-rows.ts';
import { formats, rowFormats } from '#questions/formats/index.ts';
import type { SourceRow } from '#questions/formats/row-format.ts';
import { canonicalJson } from '#recipe/resolve-recipe.ts';
import type { Recipe } from '#recipe/schema.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import { createLineWriter, type LineWriter } from './line-writer.ts';
import { readDataInfo, requireSame, writeWholeDirectory } from '#questions/prepared-directory.ts';

export type RowsOptions = NonNullable<Recipe['data']['rows']>;

const rowsInfoSchema = z.strictObject({
  format: z.literal(1),
  rows: z.enum(rowFormats),
  /** As the recipe names them, as JSON. */
  columns: z.string().optional(),
  from: z.string(),
  heldOutFrom: z.union([z.int(), z.string()]),
  /** As the recipe names it; absent when it was made from the paragraphs. */
  corpus: z.string().optional(),
  train: z.int(),
  heldOut: z.int(),
});
export type RowsInfo = z.infer<typeof rowsInfoSchema>;

export interface PreparedRows {
  readonly train: string;
  readonly heldOut: string;
  /** Absent where rows have no paragraphs and none is named. */
  readonly corpus?: string;
  readonly info: RowsInfo;
}

export interface RowChecks {
  /** Throws when a row cannot be used. */
  readonly check: (row: PlacedRow) => void;
  /** For people: what was left unread. */
  readonly report: (note: string) => void;
  /** Whether the environment searches a corpus. */
  readonly isSearched: boolean;
}

/**
 * Writes DIR/{train.jsonl, held_out.jsonl, corpus.jsonl unless one is given, data.json}, all or nothing, in plain rows. Memory is bounded by 16 bytes and a place per question, and 16 bytes per paragraph. When DIR has been written
 * from the same source already it is left as it is.
 */
export async function writeRows(options: RowsOptions, checks: RowChecks, directory: string): Promise<PreparedRows> {
  const target = resolve(directory);
  const paths = {
    train: join(target, 'train.jsonl'),
    heldOut: join(target, 'held_out.jsonl'),
    ...corpusOf(options, checks, target),
  };
  const there = await readDataInfo(target, rowsInfoSchema);
  if (there !== undefined) {
    requireSame(target, [
      ['format', there.rows, options.format],
      ['columns', there.columns, columnsJson(options)],
      ['train', there.from, options.train],
      ['held_out', there.heldOutFrom, options.held_out],
      ['corpus', there.corpus, options.corpus],
    ]);
    return { ...paths, info: there };
  }
  let counts: RowCounts = { train: 0, heldOut: 0 };
  const info = (): RowsInfo => ({
    format: 1,
    rows: options.format,
    ...(options.columns !== undefined && { columns: columnsJson(options) }),
    from: options.train,
    heldOutFrom: options.held_out,
    ...(options.corpus !== undefined && { corpus: options.corpus }),
    ...counts,
  });
  await writeWholeDirectory(target, async (staging) => {
    await using corpus = makesCorpus(options, checks) ? await openCorpus(join(staging, 'corpus.jsonl')) : undefined;
    const take = async (row: SourceRow): Promise<void> => await corpus?.add(row.paragraphs);
    counts =
      typeof options.held_out === 'string'
        ? await writeTwoFiles(options, options.held_out, checks, staging, take)
        : await writeOneSplit(options, options.held_out, checks, staging, take);
    await corpus?.finish(options.train);
    await writeFile(join(staging, 'data.json'), JSON.stringify(info(), undefined, 2));
  });
  return { ...paths, info: info() };
}

function columnsJson({ columns }: RowsOptions): string | undefined {
  return columns && canonicalJson(columns);
}

/** Paragraphs of the rows become the corpus where none is named and one is searched. */
function makesCorpus({ format, corpus }: RowsOptions, { isSearched }: RowChecks): boolean {
  return isSearched && corpus === undefined && formats[format].hasParagraphs;
}

function corpusOf(options: RowsOptions, checks: RowChecks, target: string): { readonly corpus?: string } {
  if (options.corpus !== undefined) return { corpus: options.corpus };
  return makesCorpus(options, checks) ? { corpus: join(target, 'corpus.jsonl') } : {};
}

export interface RowCounts {
  readonly train: number;
  readonly heldOut: number;
}

/** Reads and checks everything, and writes nothing. */
export async function countRows(options: RowsOptions, checks: RowChecks): Promise<RowCounts> {
  const keys = new Map<string, string>();
  let train = 0;
  for await (const _ of sourceRows(options.train, options, checks, keys)) train += 1;
  if (typeof options.held_out === 'number') {
    requireSomeLeft(options.train, options.held_out, train);
    return { train: train - options.held_out, heldOut: options.held_out };
  }
  let heldOut = 0;
  for await (const _ of sourceRows(options.held_out, options, checks, keys)) heldOut += 1;
  return { train, heldOut };
}

/** `seen` is shared by both files: what is held out must not be trained on. */
async function* sourceRows(
  path: string,
  options: RowsOptions,
  checks: RowChecks,
  seen: Map<string, string>,
): AsyncGenerator<SourceRow> {
  const { format, columns } = options;
  const unread: string[] = [];
  for await (const placed of readRows(path, { format, columns, seen, onUnreadKey: (key) => void unread.push(key) })) {
    checks.check(placed);
    if (makesCorpus(options, checks)) requireSupports(placed);
    yield placed.row;
  }
  if (unread.length > 0)
    checks.report(`${path}: keys that are not read: ${unread.map((key) => describe(key, format)).join(', ')}`);
}

function describe(key: string, format: RowsOptions['format']): string {
  const meant = suggest(key, formats[format].keys);
  return meant === undefined ? key : `${key} (did you mean ${meant}?)`;
}

/** A page that holds a fact has to be in a corpus that is made of the rows themselves. */
function requireSupports({ row, place }: PlacedRow): void {
  const titles = new Set(row.paragraphs.map((text) => text.slice(0, text.indexOf('\n'))));
  const supports = row.gold['support_titles'];
  const lost = (Array.isArray(supports) ? supports.map(String) : []).find((title) => !titles.has(title));
  if (lost === undefined) return;
  throw new TerminalError(
    'invalid_argument',
    `${place}: supporting_facts: ${JSON.stringify(lost)} is not a title in the row's context; remove the row, or name a corpus`,
  );
}

async function writeTwoFiles(
  options: RowsOptions,
  heldOutFile: string,
  checks: RowChecks,
  staging: string,
  take: (row: SourceRow) => Promise<void>,
): Promise<RowCounts> {
  const seen = new Map<string, string>();
  const write = async (from: string, name: string): Promise<number> => {
    await using writer = await createLineWriter(join(staging, name));
    let count = 0;
    for await (const row of sourceRows(from, options, checks, seen)) {
      await writer.write(plainRow(row));
      await take(row);
      count += 1;
    }
    await writer.finish();
    return count;
  };
  return { train: await write(options.train, 'train.jsonl'), heldOut: await write(heldOutFile, 'held_out.jsonl') };
}

/** Decision 0024: the smallest hashes are held out, whatever the order of the file. */
async function writeOneSplit(
  options: RowsOptions,
  heldOut: number,
  checks: RowChecks,
  staging: string,
  take: (row: SourceRow) => Promise<void>,
): Promise<RowCounts> {
  const seen = new Map<string, string>();
  const all = join(staging, 'all.jsonl');
  {
    await using writer = await createLineWriter(all);
    for await (const row of sourceRows(options.train, options, checks, seen)) {
      await writer.write(plainRow(row));
      await take(row);
    }
    await writer.finish();
  }
  requireSomeLeft(options.train, heldOut, seen.size);
  const last = [...seen.keys()].sort()[heldOut - 1] ?? '';
  await using train = await createLineWriter(join(staging, 'train.jsonl'));
  await using kept = await createLineWriter(join(staging, 'held_out.jsonl'));
  for await (const { row } of readRows(all, { format: 'plain' })) {
    const writer: LineWriter = idKey(row.id) <= last ? kept : train;
    await writer.write(plainRow(row));
  }
  await train.finish();
  await kept.finish();
  await rm(all);
  return { train: seen.size - heldOut, heldOut };
}

function requireSomeLeft(path: string, heldOut: number, rows: number): void {
  if (heldOut < rows) return;
  throw new TerminalError(
    'invalid_argument',
    `held_out: ${heldOut} of ${rows} questions of ${path} leaves no question to train on; hold out fewer`,
  );
}

interface CorpusWriter extends AsyncDisposable {
  add(paragraphs: readonly string[]): Promise<void>;
  /** Throws when nothing was added. */
  finish(source: string): Promise<void>;
}

/** Each paragraph once, in the order of the rows. */
async function openCorpus(path: string): Promise<CorpusWriter> {
  const writer = await createLineWriter(path);
  const known = new Set<string>();
  return {
    async add(paragraphs) {
      for (const contents of paragraphs) {
        const key = createHash('sha256').update(contents).digest().toString('latin1', 0, 16);
        if (known.has(key)) continue;
        await writer.write({ id: `p${known.size}`, contents });
        known.add(key);
      }
    },
    async finish(source) {
      await writer.finish();
      if (known.size > 0) return;
      throw new TerminalError(
        'invalid_argument',
        `${source}: its rows have no paragraphs to make a corpus of; name one with data.rows.corpus`,
      );
    },
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  };
}
