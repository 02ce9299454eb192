import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { HubSettings } from '../models/hub-settings.ts';
import {
  addVectors,
  openRequestedEncoder,
  vectorsRequestSchema,
  type AddVectorsProgress,
} from '../vectors/add-vectors.ts';
import { buildIndex } from './build-index.ts';
import { indexSettingsSchema, indexVersionOf, type IndexManifest } from './manifest.ts';
import type { BuildProgress } from './write-index.ts';

export const buildTaskSchema = z.strictObject({
  task: z.literal('build'),
  corpus: z.string().min(1),
  backend: z.enum(['local', 'lancedb']).default('local'),
  /** Of a local index: its directory. Of LanceDB: the URI to publish to. */
  out: z.string().min(1),
  replace: z.boolean().default(false),
  settings: indexSettingsSchema,
  vectors: vectorsRequestSchema.optional(),
});
export type BuildTask = z.infer<typeof buildTaskSchema>;

export type TaskProgress =
  | BuildProgress
  | AddVectorsProgress
  | { readonly phase: 'publishing'; readonly passages: number; readonly totalPassages: number };

export interface TaskContext {
  readonly hub: HubSettings;
  readonly onProgress: (progress: TaskProgress) => void;
  readonly signal: AbortSignal;
}

/** Builds an index, adds vectors if asked to, and publishes it if it is not to stay here; the result is plain data. */
export async function runBuildTask(task: BuildTask, context: TaskContext): Promise<object> {
  const started = performance.now();
  const seconds = (): { seconds: number } => ({ seconds: (performance.now() - started) / 1000 });
  if (task.backend === 'local') {
    const manifest = await buildHere(task.out, task, context);
    return { ...describeIndex(task.out, manifest), ...seconds() };
  }
  const temporary = await mkdtemp(join(tmpdir(), 'gradus-publish-'));
  try {
    const directory = join(temporary, 'index');
    // Published vectors are read from the list of an exact search; anyone who serves them indexes them by itself.
    const request: BuildTask['vectors'] = task.vectors && { ...task.vectors, kind: 'exact', scalar: 'f32' };
    const manifest = await buildHere(directory, { ...task, vectors: request }, context);
    const { publishIndex } = await import('../lancedb/publish-index.ts');
    const { indexVersion } = await publishIndex({
      directory,
      uri: task.out,
      vectorSearch: task.vectors?.kind === 'hnsw' ? 'approximate' : 'exact',
      signal: context.signal,
      onProgress: (progress) => context.onProgress({ phase: 'publishing', ...progress }),
    });
    return { ...describeIndex(directory, manifest), directory: task.out, indexVersion, ...seconds() };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function buildHere(
  directory: string,
  { corpus: corpusPath, out, replace, settings, vectors: request }: BuildTask,
  context: TaskContext,
): Promise<IndexManifest> {
  const { onProgress, signal } = context;
  const build = async (): Promise<IndexManifest> =>
    await buildIndex({ corpusPath, directory, replace, settings, onProgress, signal });
  if (request === undefined) return await build();
  // A model that cannot be had should be known before an hour of indexing.
  const encoder = await openRequestedEncoder(request, context);
  try {
    await build();
    return await addVectors(directory, encoder, request, { ...context, kept: directory === out });
  } finally {
    await encoder.dispose();
  }
}

/** What is said of an index: its manifest, where it lies, its version and its size. */
export function describeIndex(directory: string, manifest: IndexManifest): object {
  const { files, vectors } = manifest;
  const bytes = Object.values(files).reduce((sum, file) => sum + file.bytes, vectors?.bytes ?? 0);
  return { directory, indexVersion: indexVersionOf(manifest), bytes, ...manifest };
}
