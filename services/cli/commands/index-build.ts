import { stat } from 'node:fs/promises';
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

export interface IndexBuildOptions extends VectorsOptions {
  /** A directory; with lancedb also the URI of an object store. */
  readonly out: string;
  readonly backend: 'local' | 'lancedb';
  readonly analyzer: 'standard' | 'english';
  readonly k1: number;
  readonly b: number;
  readonly titleBoost: number;
  readonly chunkWords?: number;
  readonly chunkOverlap?: number;
  readonly onBadLine: 'stop' | 'skip';
  readonly memoryMib: number;
  readonly replace: boolean;
  readonly json: boolean;
}

/** Builds an index of a corpus. Progress goes to stderr, what was built to stdout. */
export async function indexBuildCommand(
  corpus: string,
  options: IndexBuildOptions,
  terminal: Terminal,
): Promise<number> {
  const { analyzer, k1, b, titleBoost, onBadLine, replace, chunkWords: words } = options;
  const task = {
    task: 'build',
    corpus: resolve(corpus),
    backend: options.backend,
    out: /^[a-z][a-z0-9+]*:\/\//i.test(options.out) ? options.out : resolve(options.out),
    replace,
    vectors: vectorsRequest(options),
    settings: {
      analyzer,
      k1,
      b,
      titleBoost,
      onBadLine,
      memoryBytes: options.memoryMib * 1024 * 1024,
      ...(words !== undefined && { chunk: { words, overlap: options.chunkOverlap ?? Math.floor(words / 5) } }),
    },
  };
  const size = await stat(corpus).then(
    (found) => found.size,
    // The task says better what is wrong with it.
    () => 0,
  );
  const built = await runIndexTask(
    task,
    indexDescriptionSchema.extend({ seconds: z.number() }),
    showProgress(size, terminal),
  );
  if (options.json) {
    terminal.out(jsonLine(built));
  } else {
    terminal.out(formatIndex(built));
    terminal.out(`built in ${formatDuration(built.seconds * 1000)}`);
  }
  return exitCodes.ok;
}
