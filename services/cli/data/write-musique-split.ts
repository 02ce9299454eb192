import { createHash, randomUUID } from 'node:crypto';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '#shared/errors.ts';
import { buildCorpus } from '#shared/musique/build-corpus.ts';
import type { MuSiqueRow } from '#shared/musique/musique-row.ts';
import { readMusique } from '#shared/musique/read-musique.ts';
import { selectJanNano } from '#shared/musique/select-jan-nano.ts';
import type { Recipe } from '#shared/recipe/schema.ts';

export type MusiqueOptions = NonNullable<Recipe['data']['musique']>;

/** data.json beside the split: what it was made from and what is in it. */
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
      `held_out: ${heldOut} of ${rows.length} questions leaves none to train on; use fewer`,
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
  const there = await readSplitInfo(target);
  if (there !== undefined) {
    requireSameSource(there, options, target);
    await requireFile(paths.corpus, 'corpus');
    return { ...paths, info: there };
  }
  if (options.corpus !== undefined) await requireFile(options.corpus, 'corpus');

  const all: MuSiqueRow[] = [];
  for await (const row of readMusique(options.questions)) all.push(row);
  const rows = options.selection === 'jan_nano' ? selectJanNano(all) : all;
  const { train, heldOut } = splitRows(rows, options.held_out);
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
  const staging = join(dirname(target), `.${basename(target)}.${randomUUID()}`);
  await mkdir(staging, { recursive: true });
  try {
    await writeJsonLines(join(staging, 'train.jsonl'), train);
    await writeJsonLines(join(staging, 'held_out.jsonl'), heldOut);
    // Passages of every question, also of those not selected: a corpus without distractors would be too easy.
    if (options.corpus === undefined) await writeJsonLines(join(staging, 'corpus.jsonl'), await buildCorpus(all));
    await writeFile(join(staging, 'data.json'), JSON.stringify(info, undefined, 2));
    await rename(staging, target);
  } catch (cause) {
    if (!isOccupied(cause)) throw cause;
    throw new TerminalError('already_exists', `${target} holds something else; remove it or choose another folder`, {
      cause,
    });
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
  return { ...paths, info };
}

async function readSplitInfo(directory: string): Promise<SplitInfo | undefined> {
  let text: string;
  try {
    text = await readFile(join(directory, 'data.json'), 'utf8');
  } catch {
    // Not written yet.
    return undefined;
  }
  const parsed = splitInfoSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new TerminalError(
    'data_loss',
    `${join(directory, 'data.json')} is not what gradus wrote; remove ${directory} or choose another folder`,
    { cause: parsed.error },
  );
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    // No JSON fits the schema no more than undefined does.
    return undefined;
  }
}

function requireSameSource(there: SplitInfo, options: MusiqueOptions, directory: string): void {
  for (const [field, found, value] of [
    ['questions', there.questions, options.questions],
    ['selection', there.selection, options.selection],
    ['heldOut', there.heldOut, options.held_out],
    // One made from the questions moves with the folder.
    ['corpus', there.corpus, options.corpus ?? there.corpus],
  ] as const) {
    if (found === value) continue;
    throw new TerminalError(
      'already_exists',
      `${directory} holds a split with ${field} ${found}, not ${value}; remove it or choose another folder`,
    );
  }
}

/** What renaming a folder onto one with files in it, or onto a file, says. */
function isOccupied(thrown: unknown): boolean {
  return (
    thrown instanceof Error && 'code' in thrown && ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(String(thrown.code))
  );
}

async function requireFile(path: string, field: string): Promise<void> {
  try {
    await access(path);
  } catch (cause) {
    throw new TerminalError('invalid_argument', `data.musique.${field}: ${path} cannot be read`, { cause });
  }
}

async function writeJsonLines(path: string, rows: readonly object[]): Promise<void> {
  await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}
