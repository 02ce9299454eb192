import { TerminalError, errorFrom } from '#platform/errors.ts';
import type { RunModel } from '../kit/stage-kind.ts';
import { differencesOf, readJsonObject } from './model-differences.ts';
import type { ModelOutline } from './model-differences.ts';
import { modelFileOf, readOutline } from './outline.ts';
import type { MergeStage } from './schema.ts';

/** Compares the models of files with the one that the run begins with, whose shapes no stage changes; reports every difference of all of them. */
export async function checkMergeFiles(
  { models }: MergeStage,
  paths: Readonly<Record<string, string>>,
  { directory, isFresh }: RunModel,
): Promise<void> {
  if (Object.keys(paths).length === 0) return;
  // A model that is not whole is reported by the check of `model.path`.
  const reference = await referenceOf(directory, isFresh).catch(() => undefined);
  const problems: string[] = [];
  for (const index of models.keys()) {
    const path = paths[modelFileOf(index)];
    if (path === undefined) continue;
    try {
      const outline = await readOutline(path, path);
      const differences = reference === undefined ? [] : differencesOf(outline, reference);
      problems.push(...differences.map((problem) => `models[${index}].path: ${path}: ${problem}`));
    } catch (thrown) {
      problems.push(`models[${index}].path: ${errorFrom(thrown).message}`);
    }
  }
  if (problems.length > 0) throw new TerminalError('invalid_argument', problems.join('; '));
}

async function referenceOf(directory: string, isFresh: boolean): Promise<ModelOutline> {
  if (!isFresh) return await readOutline(directory, directory);
  return {
    tensors: undefined,
    config: await readJsonObject(directory, 'config.json'),
    tokenizer: await readJsonObject(directory, 'tokenizer.json'),
  };
}
