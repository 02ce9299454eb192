import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { CancelledError } from '#platform/errors.ts';
import type { IndexManifest } from '../index/manifest.ts';
import type { Encoder } from '../models/encoder.ts';
import type { HubSettings } from '../models/hub-settings.ts';
import { poolings } from '../models/pool-tokens.ts';
import type { VectorProgress } from './build-vectors.ts';
import { vectorKinds, vectorScalars } from './vectors-manifest.ts';

/** What is asked for when an index is to have vectors. */
export const vectorsRequestSchema = z.strictObject({
  /** A directory or a hub id. */
  encoder: z.string().min(1),
  kind: z.enum(vectorKinds).default('exact'),
  scalar: z.enum(vectorScalars).default('f32'),
  /** In place of what the model's files say. */
  settings: z
    .strictObject({
      queryPrefix: z.string(),
      passagePrefix: z.string(),
      pooling: z.enum(poolings),
      maxTokens: z.int().min(2).max(1_000_000),
    })
    .partial()
    .default({}),
});

export type VectorsRequest = z.infer<typeof vectorsRequestSchema>;

export type AddVectorsProgress =
  | VectorProgress
  | { readonly phase: 'downloading'; readonly file: string; readonly doneBytes: number; readonly totalBytes: number };

export interface AddVectorsOptions {
  readonly hub: HubSettings;
  readonly onProgress: (progress: AddVectorsProgress) => void;
  readonly signal: AbortSignal;
}

const bytesPerProgress = 4 * 2 ** 20;

/** Opens the encoder that is asked for, downloads it first where that must be. */
export async function openRequestedEncoder(
  { encoder, settings }: VectorsRequest,
  { hub, onProgress, signal }: AddVectorsOptions,
): Promise<Encoder> {
  // Native libraries that a task without vectors does not need.
  const { openEncoder } = await import('../models/encoder.ts');
  let reported = 0;
  return await openEncoder(encoder, {
    hub,
    settings,
    signal,
    // While one tokenises the other computes.
    workers: Math.min(2, availableParallelism()),
    onProgress: ({ file, doneBytes, totalBytes }) => {
      if (doneBytes < totalBytes && doneBytes - reported < bytesPerProgress) return;
      reported = doneBytes;
      onProgress({ phase: 'downloading', file, doneBytes, totalBytes });
    },
  });
}

/** Adds vectors to the index in a directory, and closes the encoder. `kept`: the directory outlives a failure. */
export async function addVectors(
  directory: string,
  encoder: Encoder,
  { kind, scalar }: VectorsRequest,
  { onProgress, signal, kept = true }: AddVectorsOptions & { readonly kept?: boolean },
): Promise<IndexManifest> {
  const { buildVectors } = await import('./build-vectors.ts');
  try {
    return await buildVectors(directory, encoder, { kind, scalar, onProgress, signal });
  } catch (error) {
    if (!signal.aborted || !kept) throw error;
    throw new CancelledError(
      'cancelled',
      `stopped; the index has no new vectors, and what was encoded is kept: gradus index vectors ${directory} ` +
        `--encoder ${encoder.id} goes on there`,
      { cause: error },
    );
  } finally {
    await encoder.dispose();
  }
}
