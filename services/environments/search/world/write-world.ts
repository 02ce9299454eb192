import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import type { MuSiqueRow } from '#questions/musique/musique-row.ts';
import { createWorld } from './create-world.ts';

const writeWorldOptionsSchema = z.strictObject({
  seed: z.int().min(0),
  train: z.int().min(1).max(1_000_000).describe('Train questions.'),
  heldOut: z.int().min(1).max(100_000).describe('Held-out questions.'),
});
export type WriteWorldOptions = z.infer<typeof writeWorldOptionsSchema>;

export interface WrittenWorld {
  readonly corpus: string;
  readonly train: string;
  readonly heldOut: string;
  readonly pages: number;
}

/** One entity per question, within what four digits hold: most facts are asked for about once. */
function entitiesFor(questions: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, questions));
}

/** The world that these sizes give, in memory. */
function worldOf(options: WriteWorldOptions) {
  const parsed = writeWorldOptionsSchema.safeParse(options, { reportInput: true });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new TerminalError(
      'invalid_argument',
      `world option ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'} (got ${String(issue?.input)})`,
    );
  }
  const { seed, train, heldOut } = parsed.data;
  const trainEntities = entitiesFor(train, 300, 6000);
  const heldOutEntities = entitiesFor(heldOut, 300, 3000);
  const world = createWorld({ seed, trainEntities, heldOutEntities });
  return { seed, train, heldOut, trainEntities, heldOutEntities, world };
}

/** The training questions that `writeWorld` would write. */
export function trainingQuestions(options: WriteWorldOptions): MuSiqueRow[] {
  const { world, train } = worldOf(options);
  return world.questions('train', train);
}

/**
 * Writes DIR/{corpus.jsonl, train.jsonl, held_out.jsonl, world.json}. The files are written next to DIR and moved there at
 * the end; a DIR with world.json holds all of one world.
 */
export async function writeWorld(options: WriteWorldOptions, dir: string): Promise<WrittenWorld> {
  const { seed, train, heldOut, trainEntities, heldOutEntities, world } = worldOf(options);
  const target = resolve(dir);
  const files: readonly (readonly [string, readonly object[]])[] = [
    ['corpus.jsonl', world.pages],
    ['train.jsonl', world.questions('train', train)],
    ['held_out.jsonl', world.questions('held_out', heldOut)],
    ['world.json', [{ format: 1, seed, train, heldOut, trainEntities, heldOutEntities, pages: world.pages.length }]],
  ];
  const staging = join(dirname(target), `.${basename(target)}.${randomUUID()}`);
  try {
    await mkdir(staging, { recursive: true });
    try {
      for (const [name, rows] of files) await writeLines(join(staging, name), rows);
      await mkdir(target, { recursive: true });
      // It vouches for the files next to it: an older one goes first, the new one comes last.
      await rm(join(target, 'world.json'), { force: true });
      for (const [name] of files) await rename(join(staging, name), join(target, name));
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  } catch (cause) {
    const error = errorFrom(cause);
    if (!(error instanceof TerminalError)) throw error;
    const problem = `${target} cannot hold a world: ${error.message}`;
    throw new TerminalError('invalid_argument', `${problem}; choose another folder`, { cause });
  }
  return {
    corpus: join(target, 'corpus.jsonl'),
    train: join(target, 'train.jsonl'),
    heldOut: join(target, 'held_out.jsonl'),
    pages: world.pages.length,
  };
}

async function writeLines(path: string, rows: readonly object[]): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    await file.sync();
  } finally {
    await file.close();
  }
}
