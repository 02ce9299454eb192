import { randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '../errors.ts';
import { createWorld } from './create-world.ts';
import { maximumEntities, minimumEntities } from './entities.ts';

export const writeWorldOptionsSchema = z.strictObject({
  seed: z.int().min(0),
  train: z.int().min(1).max(1_000_000).describe('Train questions.'),
  heldOut: z.int().min(1).max(100_000).describe('Held-out questions.'),
  trainEntities: z.int().min(minimumEntities).max(maximumEntities).optional(),
  heldOutEntities: z.int().min(minimumEntities).max(maximumEntities).optional(),
});
export type WriteWorldOptions = z.infer<typeof writeWorldOptionsSchema>;

export interface WrittenWorld {
  readonly corpus: string;
  readonly train: string;
  readonly heldOut: string;
  readonly pages: number;
}

/** One entity per question, within what four digits hold: most facts are asked for about once. */
function defaultEntities(questions: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, questions));
}

/**
 * Writes DIR/{corpus.jsonl, train.jsonl, held_out.jsonl, world.json}. All or nothing: the files are written beside
 * DIR and moved there at the end; world.json comes last.
 */
export async function writeWorld(options: WriteWorldOptions, dir: string): Promise<WrittenWorld> {
  const parsed = writeWorldOptionsSchema.safeParse(options);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new TerminalError(
      'invalid_argument',
      `world option ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
    );
  }
  const { seed, train, heldOut } = parsed.data;
  const trainEntities = parsed.data.trainEntities ?? defaultEntities(train, 300, 6000);
  const heldOutEntities = parsed.data.heldOutEntities ?? defaultEntities(heldOut, 300, 3000);
  const world = createWorld({ seed, trainEntities, heldOutEntities });
  const target = resolve(dir);
  const files: readonly (readonly [string, readonly object[]])[] = [
    ['corpus.jsonl', world.pages],
    ['train.jsonl', world.questions('train', train)],
    ['held_out.jsonl', world.questions('held_out', heldOut)],
    ['world.json', [{ format: 1, seed, train, heldOut, trainEntities, heldOutEntities, pages: world.pages.length }]],
  ];
  const staging = join(dirname(target), `.${basename(target)}.${randomUUID()}`);
  await mkdir(staging, { recursive: true });
  try {
    for (const [name, rows] of files) await writeLines(join(staging, name), rows);
    await mkdir(target, { recursive: true });
    // world.json goes last: a directory with it is complete.
    for (const [name] of files) await rename(join(staging, name), join(target, name));
  } finally {
    await rm(staging, { recursive: true, force: true });
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
