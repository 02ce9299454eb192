import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { errorFrom } from '#shared/errors.ts';
import { safetensorsOf } from './weights.ts';
import { writeDirectory } from './write-directory.ts';

const stateSchema = z.object({
  runId: z.string(),
  step: z.int().min(1),
  chain: z.string().regex(/^[0-9a-f]{64}$/),
  metrics: z.record(z.string(), z.number()),
});
export type CheckpointState = z.infer<typeof stateSchema>;

export interface Checkpoint {
  readonly directory: string;
  readonly state: CheckpointState;
}

/** Writes `<root>/step-000123`, then forgets all but the newest `keep`. */
export async function writeCheckpoint(root: string, state: CheckpointState, keep: number): Promise<string> {
  const directory = join(root, `step-${String(state.step).padStart(6, '0')}`);
  await writeDirectory(directory, {
    'model.safetensors': safetensorsOf(state.chain),
    'state.json': `${JSON.stringify(state, null, 2)}\n`,
  });
  const names = await stepNames(root);
  for (const name of names.slice(0, -keep)) await rm(join(root, name), { recursive: true, force: true });
  return directory;
}

/** The newest whole checkpoint. */
export async function newestCheckpoint(root: string): Promise<Checkpoint | undefined> {
  const names = await stepNames(root);
  for (const name of names.toReversed()) {
    const directory = join(root, name);
    const state = stateSchema.safeParse(await readJson(join(directory, 'state.json')));
    if (state.success) return { directory, state: state.data };
  }
  return undefined;
}

async function stepNames(root: string): Promise<string[]> {
  try {
    return (await readdir(root)).filter((name) => /^step-\d{6,}$/.test(name)).toSorted();
  } catch (error) {
    if (errorFrom(error).code === 'not_found') return [];
    throw error;
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    // Not whole: an older one is taken.
    return undefined;
  }
}
