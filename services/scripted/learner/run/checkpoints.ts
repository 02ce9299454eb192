import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { errorFrom } from '#platform/errors.ts';
import { differences, readManifest } from '#weights/manifest.ts';
import { namesIn } from './run-directory.ts';
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

/** Writes `<root>/step-000123`, then forgets all of this run but the newest `keep`. */
export async function writeCheckpoint(root: string, state: CheckpointState, keep: number): Promise<string> {
  const directory = join(root, `step-${String(state.step).padStart(6, '0')}`);
  await writeDirectory(
    directory,
    { 'model.safetensors': safetensorsOf(state.chain), 'state.json': `${JSON.stringify(state, null, 2)}\n` },
    { kind: 'checkpoint', runId: state.runId, step: state.step },
  );
  const own: string[] = [];
  for (const name of await stepNames(root)) {
    const manifest = await readManifest(join(root, name)).catch(() => undefined);
    if (manifest?.kind === 'checkpoint' && manifest.runId === state.runId) own.push(name);
  }
  for (const name of own.slice(0, -keep)) await rm(join(root, name), { recursive: true, force: true });
  return directory;
}

/** The newest whole checkpoint, and what is wrong with those that are newer. */
export async function findCheckpoint(
  root: string,
): Promise<{ readonly checkpoint: Checkpoint | undefined; readonly damaged: readonly string[] }> {
  const damaged: string[] = [];
  for (const name of (await stepNames(root)).toReversed()) {
    const directory = join(root, name);
    try {
      const wrong = await damageOf(directory);
      if (wrong.length === 0) {
        const state = stateSchema.parse(JSON.parse(await readFile(join(directory, 'state.json'), 'utf8')));
        return { checkpoint: { directory, state }, damaged };
      }
      damaged.push(...wrong);
    } catch (error) {
      damaged.push(`${directory}: ${errorFrom(error).message}`);
    }
  }
  return { checkpoint: undefined, damaged };
}

async function damageOf(directory: string): Promise<readonly string[]> {
  const manifest = await readManifest(directory);
  return manifest === undefined ? [`${directory} has no manifest.json`] : await differences(directory, manifest.files);
}

async function stepNames(root: string): Promise<string[]> {
  return (await namesIn(root)).filter((name) => /^step-\d{6,}$/.test(name)).toSorted();
}
