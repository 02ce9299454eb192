import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { TerminalError } from '#shared/errors.ts';
import { checkedQuestion } from '#shared/questions/read-questions.ts';
import { parseRecipe } from '#shared/recipe/parse-recipe.ts';
import { locateInputs, locateRewardFiles } from '#shared/recipe/resolve-recipe.ts';
import type { RecipePaths, RewardPaths } from '#shared/recipe/resolve-recipe.ts';
import type { Recipe } from '#shared/recipe/schema.ts';
import type { CheckedStage } from '#shared/rewards/check-question.ts';
import { writeWorld } from '#shared/world/write-world.ts';
import { writeMusiqueSplit } from '../data/write-musique-split.ts';
import { writeRows, type RowChecks, type RowsOptions } from '../data/write-rows.ts';
import { isReadable } from './is-readable.ts';
import { rewardProblems } from './reward-inputs.ts';

export interface LoadedRecipe {
  readonly file: string;
  readonly recipe: Recipe;
}

/** Reads and checks a recipe; `seed` replaces the one in it. */
export async function loadRecipe(path: string, seed?: number): Promise<LoadedRecipe> {
  const file = resolve(path);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const why =
      cause instanceof Error && 'code' in cause && cause.code === 'EISDIR' ? 'is a directory' : 'cannot be read';
    throw new TerminalError(
      'invalid_argument',
      `recipe ${path} ${why}; give the path of a YAML file, for example recipes/demo.yaml`,
      { cause },
    );
  }
  const recipe = parseRecipe(text, path);
  return { file, recipe: seed === undefined ? recipe : { ...recipe, seed } };
}

/** Files that a model directory needs and lacks. */
export async function missingModelFiles(directory: string): Promise<string[]> {
  return await missing(['config.json', 'model.safetensors', 'tokenizer.json'].map((name) => join(directory, name)));
}

/**
 * Makes everything that a run reads exist, and says where it is. What is generated goes to `directory`: `world/` or
 * `data/`. A second call finds it there and changes nothing. `tell` hears what is worth a line and stops nobody.
 */
export async function prepareInputs(
  loaded: LoadedRecipe,
  directory: string,
  tell: (note: string) => void = () => {},
): Promise<RecipePaths> {
  const problems = await rewardProblems(loaded);
  if (problems.length > 0) throw new TerminalError('invalid_argument', `${loaded.file}: ${problems.join('; ')}`);
  return { ...(await prepareData(loaded, directory, tell)), ...locateRewardFiles(loaded.recipe, loaded.file) };
}

async function prepareData(
  { recipe, file }: LoadedRecipe,
  directory: string,
  tell: (note: string) => void,
): Promise<RecipePaths> {
  const { model, data } = locateInputs(recipe, file);
  const lacking = await missingModelFiles(model);
  if (lacking.length > 0) {
    throw new TerminalError(
      'invalid_argument',
      `${file}: model.path: ${model} is no model directory: ${lacking.join(', ')} ${lacking.length === 1 ? 'is' : 'are'} missing`,
    );
  }
  if (data.world !== undefined) return { model, ...(await prepareWorld(data.world, join(directory, 'world'))) };
  if (data.musique !== undefined) {
    const split = await writeMusiqueSplit(data.musique, join(directory, 'data'));
    return { model, train: split.train, held_out: split.heldOut, corpus: split.corpus };
  }
  if (data.rows !== undefined) {
    await requireRowFiles(data.rows, file);
    const rows = await writeRows(data.rows, rowChecks(recipe, tell), join(directory, 'data'));
    return { model, train: rows.train, held_out: rows.heldOut, corpus: rows.corpus };
  }
  if (data.files === undefined) throw new TerminalError('invalid_argument', `${file}: data: names no source`);
  const absent = await missing(Object.values(data.files));
  if (absent.length > 0)
    throw new TerminalError('invalid_argument', `${file}: data.files: ${absent.join(', ')} cannot be read`);
  return { model, ...data.files };
}

/** Files that `data.rows` names. */
export function rowFiles({ train, held_out: heldOut, corpus }: RowsOptions): string[] {
  return [train, ...(typeof heldOut === 'string' ? [heldOut] : []), ...(corpus === undefined ? [] : [corpus])];
}

async function requireRowFiles(rows: RowsOptions, file: string): Promise<void> {
  const absent = await missing(rowFiles(rows));
  if (absent.length > 0)
    throw new TerminalError('invalid_argument', `${file}: data.rows: ${absent.join(', ')} cannot be read`);
}

/** What every row has to pass: the scorers of all stages can read its gold. */
export function rowChecks(
  { stages }: { readonly stages: readonly CheckedStage[] },
  tell: (note: string) => void,
): RowChecks {
  return { tell, check: (placed) => void checkedQuestion(placed, stages) };
}

async function prepareWorld(
  world: NonNullable<Recipe['data']['world']>,
  directory: string,
): Promise<Omit<RecipePaths, 'model'>> {
  const paths = {
    train: join(directory, 'train.jsonl'),
    held_out: join(directory, 'held_out.jsonl'),
    corpus: join(directory, 'corpus.jsonl'),
  };
  // world.json is written last: with it the directory is whole.
  if ((await missing([join(directory, 'world.json')])).length > 0) {
    await writeWorld({ seed: world.seed, train: world.train, heldOut: world.held_out }, directory);
  }
  return paths;
}

async function missing(paths: readonly string[]): Promise<string[]> {
  const checks = await Promise.all(paths.map(async (path) => ((await isReadable(path)) ? [] : [path])));
  return checks.flat();
}

/** What of a recipe's files decides which fleet can run it. Reads nothing. */
export function fleetFiles({ recipe, file }: LoadedRecipe): Pick<RecipePaths, 'model'> & RewardPaths {
  return { model: locateInputs(recipe, file).model, ...locateRewardFiles(recipe, file) };
}

/** Where generated inputs of a lent fleet lie: one folder per data section, under the runs' home. */
export function fleetInputsDirectory(home: string, key: string): string {
  return join(resolve(home), 'inputs', key.slice(0, 12));
}
