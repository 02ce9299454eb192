import { execFile } from 'node:child_process';
import { mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { benchDirectory, type BenchCorpus } from '../corpora.ts';

const run = promisify(execFile);
const script = join(import.meta.dirname, '../python/random_models.py');
const python = join(import.meta.dirname, '../../../.venv/bin/python');

export type ModelShape = 'tiny' | 'base';

export interface RandomModels {
  /** Directories, as `--encoder` and `--reranker` take them. */
  readonly encoder: string;
  readonly reranker: string;
}

/** Models with random weights and a vocabulary of the corpus; made once, then kept. */
export async function randomModels(shape: ModelShape, corpus: BenchCorpus): Promise<RandomModels> {
  const directory = join(benchDirectory, `random-models-${corpus.name}-${shape}`);
  const made = await stat(directory).then(
    () => true,
    () => false,
  );
  if (!made) {
    process.stderr.write(`making ${shape} models with random weights\n`);
    const partial = await mkdtemp(`${directory}-`);
    try {
      await run(python, [script, corpus.path, partial, shape]);
      await rename(partial, directory);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }
  return { encoder: join(directory, 'encoder'), reranker: join(directory, 'cross-encoder') };
}
