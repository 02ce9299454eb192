import { stat } from 'node:fs/promises';
import { TerminalError } from '#platform/errors.ts';
import { fileError } from '#platform/files/file-error.ts';
import { readTensorPlaces } from '#weights/safetensors.ts';
import type { TensorPlace } from '#weights/safetensors.ts';
import { fileProblem, weightFileProblems } from '#weights/weight-files.ts';
import { readJsonObject } from './model-differences.ts';
import type { ModelOutline } from './model-differences.ts';

/** Name of the model at `index` among the files of a stage. */
export function modelFileOf(index: number): string {
  return `models/${index}`;
}

/**
 * Of a model's directory, or of one `.safetensors` file, which says nothing of config and tokenizer. The tokenizer may lie elsewhere. Throws
 * TerminalError for weights that are not whole.
 */
export async function readOutline(
  path: string,
  tokenizerDirectory: string,
): Promise<ModelOutline & { readonly tensors: ReadonlyMap<string, TensorPlace> }> {
  const isDirectory = await stat(path).then(
    (stats) => stats.isDirectory(),
    (thrown: unknown) => {
      throw fileError(path, thrown);
    },
  );
  const problems = isDirectory ? await weightFileProblems(path) : await problemsOfFile(path);
  if (problems.length > 0) throw new TerminalError('invalid_argument', problems.join('; '));
  return {
    tensors: await readTensorPlaces(path),
    config: isDirectory ? await readJsonObject(path, 'config.json') : undefined,
    tokenizer: isDirectory ? await readJsonObject(tokenizerDirectory, 'tokenizer.json') : undefined,
  };
}

async function problemsOfFile(path: string): Promise<string[]> {
  if (!path.endsWith('.safetensors')) return [`${path}: is neither a directory of a model nor a .safetensors file`];
  const problem = await fileProblem(path);
  return problem === undefined ? [] : [`${path}: ${problem}`];
}
