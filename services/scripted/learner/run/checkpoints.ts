import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { errorFrom } from '#platform/errors.ts';
import { differences, readManifest } from '#weights/manifest.ts';
import { namesIn } from './run-directory.ts';
import { writeDirectory } from './write-directory.ts';
import { createHash } from 'node:crypto';
import type { TrainedSample } from './read-sample.ts';

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

/**
 * Stand-ins for weights: a chain of SHA-256 over everything that was trained on. Two learners that applied the same steps
 * to the same samples have the same weights, byte for byte; one step twice, or another batch, gives others.
 */
export const initialChain = '0'.repeat(64);

export function chainStep(chain: string, step: number, samples: readonly TrainedSample[]): string {
  const hash = createHash('sha256').update(`${chain} ${step}\n`);
  for (const { digest, advantage, truncated } of samples) hash.update(`${digest} ${advantage} ${truncated}\n`);
  return hash.digest('hex');
}

/** A safetensors file with one tensor of 32 bytes. */
export function safetensorsOf(chain: string): Uint8Array {
  const header = JSON.stringify({ chain: { dtype: 'U8', shape: [32], data_offsets: [0, 32] } });
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, Buffer.from(header), Buffer.from(chain, 'hex')]);
}
