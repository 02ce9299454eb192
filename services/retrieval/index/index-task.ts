import { z } from 'zod';
import { addVectors, openRequestedEncoder, vectorsRequestSchema } from '../vectors/add-vectors.ts';
import { readManifest } from './manifest.ts';
import { buildTaskSchema, describeIndex, runBuildTask, type TaskContext } from './run-build-task.ts';
import { runSearchTask, searchTaskSchema } from './run-search-task.ts';
import { verifyIndex } from './verify-index.ts';

const vectors = z.strictObject({
  task: z.literal('vectors'),
  directory: z.string().min(1),
  vectors: vectorsRequestSchema,
});
const info = z.strictObject({
  task: z.literal('info'),
  directory: z.string().min(1),
  verify: z.boolean().default(false),
});

/** What `gradus index` asks for. */
export const indexTaskSchema = z.discriminatedUnion('task', [buildTaskSchema, vectors, info, searchTaskSchema]);
export type IndexTask = z.infer<typeof indexTaskSchema>;

/** Does what is asked; the result is plain data. */
export async function runIndexTask(task: IndexTask, context: TaskContext): Promise<unknown> {
  switch (task.task) {
    case 'build':
      return await runBuildTask(task, context);
    case 'vectors': {
      const { directory, vectors: request } = task;
      const started = performance.now();
      // Names what is wrong with the directory before a model is fetched.
      await readManifest(directory);
      const encoder = await openRequestedEncoder(request, context);
      const manifest = await addVectors(directory, encoder, request, context);
      return { ...describeIndex(directory, manifest), seconds: (performance.now() - started) / 1000 };
    }
    case 'info': {
      const { directory, verify } = task;
      const manifest = verify ? await verifyIndex(directory, context.signal) : await readManifest(directory);
      return { ...describeIndex(directory, manifest), verified: verify };
    }
    case 'search':
      return await runSearchTask(task, context.hub, context.signal);
  }
}
