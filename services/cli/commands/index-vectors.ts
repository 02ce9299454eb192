import { resolve } from 'node:path';
import { z } from 'zod';
import { exitCodes } from '../exit-codes.ts';
import { formatIndex, indexDescriptionSchema } from '../index/index-description.ts';
import { runIndexTask } from '../index/run-index-task.ts';
import { showProgress } from '../index/show-progress.ts';
import { vectorsRequest, type VectorsOptions } from '../index/vectors-request.ts';
import { formatDuration } from '../terminal/format.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { jsonLine } from '../terminal/json-line.ts';

export interface IndexVectorsOptions extends VectorsOptions {
  readonly encoder: string;
  readonly json: boolean;
}

/** Adds vectors to an index that is there, or goes on with a build of some that was interrupted. */
export async function indexVectorsCommand(
  directory: string,
  options: IndexVectorsOptions,
  terminal: Terminal,
): Promise<number> {
  const task = { task: 'vectors', directory: resolve(directory), vectors: vectorsRequest(options) };
  const built = await runIndexTask(
    task,
    indexDescriptionSchema.extend({ seconds: z.number() }),
    showProgress(0, terminal),
  );
  if (options.json) {
    terminal.out(jsonLine(built));
  } else {
    terminal.out(formatIndex(built));
    terminal.out(`vectors built in ${formatDuration(built.seconds * 1000)}`);
  }
  return exitCodes.ok;
}
