import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';

/** `data.json` of a prepared directory; undefined when there is none. Throws data_loss when it is not what gradus wrote. */
export async function readDataInfo<Info>(directory: string, schema: z.ZodType<Info>): Promise<Info | undefined> {
  let text: string;
  try {
    text = await readFile(join(directory, 'data.json'), 'utf8');
  } catch {
    // Not written yet.
    return undefined;
  }
  const parsed = schema.safeParse(parseJson(text));
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

type Value = string | number | undefined;

/** Throws already_exists when what lies in a directory was made from something else: `[field, found, asked for]`. */
export function requireSame(
  directory: string,
  fields: readonly (readonly [field: string, found: Value, value: Value])[],
): void {
  for (const [field, found, value] of fields) {
    if (found === value) continue;
    throw new TerminalError(
      'already_exists',
      `${directory} holds a split with ${field} ${found}, not ${value}; remove it or choose another folder`,
    );
  }
}

/** Fills a new directory next to `target` and renames it: `target` is whole or is not there. One that holds anything is refused. */
export async function writeWholeDirectory(target: string, fill: (directory: string) => Promise<void>): Promise<void> {
  const staging = join(dirname(target), `.${basename(target)}.${randomUUID()}`);
  await mkdir(staging, { recursive: true });
  try {
    await fill(staging);
    await rename(staging, target);
  } catch (cause) {
    if (!isOccupied(cause)) throw cause;
    throw new TerminalError('already_exists', `${target} holds something else; remove it or choose another folder`, {
      cause,
    });
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** What renaming a folder onto one with files in it, or onto a file, says. */
function isOccupied(thrown: unknown): boolean {
  return (
    thrown instanceof Error && 'code' in thrown && ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(String(thrown.code))
  );
}
