import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isStored } from '#artefacts/location.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { isMissing } from '#platform/files/file-error.ts';
import { utf8Text } from '#platform/files/parse-json.ts';
import { checkedQuestion, type RowNeeds } from '#questions/read-questions.ts';
import { rowNeeds } from '#recipe/row-needs.ts';
import { parseRecipe } from '#recipe/parse-recipe.ts';
import { parseSetting } from '#recipe/recipe-settings.ts';
import { environmentDirectory, needsRetrieval } from '#recipe/environment-part.ts';
import {
  filesOfStage,
  locateEnvironment,
  locateInputs,
  locateRewardFiles,
  locateSearchModels,
  locateStageFiles,
} from '#recipe/resolve-recipe.ts';
import type { RecipePaths, RewardPaths } from '#recipe/resolve-recipe.ts';
import type { Recipe } from '#recipe/schema.ts';
import { storedInputs, type RecipePlace } from '#recipe/stored-inputs.ts';
import { weightFileProblems } from '#weights/weight-files.ts';
import { kindOf } from '#stages/kit/kinds.ts';
import { writeWorld } from '#environments/search/world/write-world.ts';
import { writeMusiqueSplit } from '#questions/musique/write-split.ts';
import { writeRows, type RowChecks, type RowsOptions } from '../data/write-rows.ts';
import { makeInitialModel } from './initial-model.ts';
import { inputError } from './place-problems.ts';
import type { ProblemSource } from './place-problems.ts';
import { fileProblem, isReadable } from './is-readable.ts';
import { architectureProblems } from './architecture-problems.ts';
import { memoryOf } from './memory-lines.ts';
import { chatProblems } from './chat-problems.ts';
import { endpointProblems, writeEndpoint } from './endpoint.ts';
import { unpinnedModels } from './unpinned-models.ts';
import { environmentProblems } from './environment-problems.ts';
import { rewardProblems } from './reward-inputs.ts';
import { loadOwnEnvironment } from '#environments/own-file/load.ts';
import { parseYamlDocument } from '#platform/files/yaml-document.ts';

export interface LoadedRecipe extends RecipePlace {
  readonly recipe: Recipe;
  /** What was given in place of values of the file. */
  readonly set: readonly string[];
  /** Present when a command made the recipe, or a part of it, from its options. */
  readonly source?: ProblemSource;
}

/** Reads and checks a recipe; `set` replaces values of it, each as `stages.0.until.steps=2`. */
export async function loadRecipe(path: string, set: readonly string[] = []): Promise<LoadedRecipe> {
  const settings = set.map((text) => parseSetting(text));
  const file = resolve(path);
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    const why = isMissing(cause) ? 'does not exist' : unusable(cause);
    throw new TerminalError(
      'invalid_argument',
      `recipe ${path} ${why}; give the path of a YAML file, for example recipes/demo.yaml`,
      { cause },
    );
  }
  const text = utf8Text(bytes, path);
  const own = environmentPathOf(text, path);
  if (own !== undefined) await loadOwnEnvironment(resolve(dirname(file), own), own);
  return { file, set, recipe: parseRecipe(text, path, settings) };
}

function unusable(cause: unknown): string {
  const { code, message } = Object(cause) as NodeJS.ErrnoException;
  return code === 'EISDIR' ? 'is a directory' : `cannot be read (${message})`;
}

/** Its schema is needed before the recipe can be checked. */
function environmentPathOf(text: string, file: string): string | undefined {
  const { environment } = Object(parseYamlDocument(text, file, { merge: true }).value) as {
    readonly environment?: unknown;
  };
  const { path } = Object(environment) as { readonly path?: unknown };
  return typeof path === 'string' ? path : undefined;
}

/** What a model directory lacks, a sentence each; `fresh` weights are made. */
export async function modelProblems(directory: string, fresh = false): Promise<string[]> {
  const absent = await missing(['config.json', 'tokenizer.json'].map((name) => join(directory, name)));
  return [...absent.map((path) => `${path} is missing`), ...(fresh ? [] : await weightFileProblems(directory))];
}

/**
 * Makes everything that a run reads exist, and says where it is. What is generated goes to `directory`: `world/` or
 * `data/`. A second call finds it there and changes nothing. `report` gets what is worth a line and stops nobody.
 */
export async function prepareInputs(
  loaded: LoadedRecipe,
  directory: string,
  report: (note: string) => void = () => {},
): Promise<RecipePaths> {
  const absent = storedInputs(loaded.recipe).filter(({ location }) => loaded.fetched?.has(location) !== true);
  if (absent.length > 0)
    throw inputError(
      loaded,
      absent.map(
        ({ field, location }) =>
          `${field}: ${location}: this command fetches nothing from a store; name a path, with the file of gradus artefact get`,
      ),
    );
  const problems = [
    ...(await rewardProblems(loaded, process.env)),
    ...(await environmentProblems(loaded, process.env)),
    ...(await chatProblems(loaded)),
    ...(await endpointProblems(loaded, process.env)),
    ...(await stageFileProblems(loaded)),
    ...(await loadingProblems(loaded, report)),
  ];
  if (problems.length > 0) throw inputError(loaded, problems);
  for (const note of unpinnedModels(loaded.recipe)) report(note);
  const environment = environmentDirectory(loaded.recipe, loaded.file);
  return {
    ...(await prepareData(loaded, directory, report)),
    ...(environment !== undefined && { environment }),
    ...locateEnvironment(loaded.recipe, loaded.file),
    ...(needsRetrieval(loaded.recipe) && locateSearchModels(loaded.recipe)),
    ...locateRewardFiles(loaded.recipe, loaded.file),
    ...locateStageFiles(loaded.recipe, loaded),
  };
}

/** Why learner and engines cannot load the model, or have no room for it; the services themselves are asked later. */
async function loadingProblems(loaded: LoadedRecipe, report: (note: string) => void): Promise<string[]> {
  const { model } = locateInputs(loaded.recipe, loaded);
  if (model === undefined || !(await isReadable(join(model, 'config.json')))) return [];
  const isWhole = (await modelProblems(model, loaded.recipe.model.weights !== undefined)).length === 0;
  const { problems, notes } = await architectureProblems(loaded, isWhole);
  for (const note of notes) report(note);
  return problems.length > 0 ? problems : (await memoryOf(loaded.recipe, model)).problems;
}

/** What is wrong with the files that stages name. */
export async function stageFileProblems(loaded: LoadedRecipe): Promise<string[]> {
  const { recipe } = loaded;
  const paths = locateStageFiles(recipe, loaded);
  const { model: directory } = locateInputs(recipe, loaded);
  // Above an endpoint there are only stages that do with text, and those name no files.
  if (directory === undefined) return [];
  const model = { directory, isFresh: recipe.model.weights !== undefined };
  const problems = recipe.stages.map(async (stage, index) => {
    const files = filesOfStage(paths, stage.name);
    // What could not be had of a store is named with its field.
    if (Object.values(files).some(isStored)) return [];
    try {
      await kindOf(stage).checkFiles?.(stage, files, model);
      return [];
    } catch (thrown) {
      return [`stages[${index}]: ${errorFrom(thrown).message}`];
    }
  });
  return (await Promise.all(problems)).flat();
}

async function prepareData(
  loaded: LoadedRecipe,
  directory: string,
  report: (note: string) => void,
): Promise<RecipePaths> {
  const { recipe } = loaded;
  const { data } = locateInputs(recipe, loaded);
  const model = await prepareModel(loaded, join(directory, 'model'));
  if (data.world !== undefined) return { model, ...(await prepareWorld(data.world, join(directory, 'world'))) };
  if (data.musique !== undefined) {
    const { questions, corpus } = data.musique;
    await requireFiles(loaded, 'data.musique', { questions, corpus });
    const split = await writeMusiqueSplit(data.musique, join(directory, 'data'));
    return { model, train: split.train, held_out: split.heldOut, corpus: split.corpus };
  }
  if (data.rows !== undefined) {
    await requireFiles(loaded, 'data.rows', rowFiles(data.rows));
    const rows = await writeRows(data.rows, rowChecks(rowNeeds(recipe), report), join(directory, 'data'));
    return {
      model,
      train: rows.train,
      held_out: rows.heldOut,
      ...(rows.corpus !== undefined && { corpus: rows.corpus }),
    };
  }
  if (data.files === undefined) throw inputError(loaded, ['data: names no source']);
  await requireFiles(loaded, 'data.files', data.files);
  const { train, held_out, corpus } = data.files;
  return { model, train, held_out, ...(corpus !== undefined && { corpus }) };
}

/** Where the policy lies: the directory that the recipe names, or `made`, with fresh weights or what says where the endpoint is. */
async function prepareModel(loaded: LoadedRecipe, made: string): Promise<string> {
  const { recipe } = loaded;
  const { model: given } = locateInputs(recipe, loaded);
  const { weights, endpoint } = recipe.model;
  if (endpoint !== undefined) return await writeEndpoint(endpoint, made);
  if (given === undefined) throw inputError(loaded, ['model: names neither path nor endpoint']);
  const problems = await modelProblems(given, weights !== undefined);
  if (problems.length > 0)
    throw inputError(loaded, [`model.path: ${given} is not a model directory: ${problems.join('; ')}`]);
  if (weights === undefined) return given;
  return await makeInitialModel({ from: given, seed: recipe.seed, copying: weights === 'copying' }, made);
}

/** Files that `data.rows` names, by field. */
export function rowFiles({ train, held_out: heldOut, corpus }: RowsOptions): Record<string, string> {
  return {
    train,
    ...(typeof heldOut === 'string' && { held_out: heldOut }),
    ...(corpus !== undefined && { corpus }),
  };
}

async function requireFiles(
  loaded: LoadedRecipe,
  field: string,
  files: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const problems: string[] = [];
  for (const [name, path] of Object.entries(files)) {
    const problem = path === undefined ? undefined : await fileProblem(path);
    if (problem !== undefined) problems.push(`${field}.${name}: ${path}: ${problem}`);
  }
  if (problems.length > 0) throw inputError(loaded, problems);
}

/** What every row has to pass: the environment takes it, and the scorers of all stages can read its gold. */
export function rowChecks(needs: RowNeeds, report: (note: string) => void): RowChecks {
  return { report, isSearched: needs.isSearched, check: (placed) => void checkedQuestion(placed, needs) };
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
export function fleetFiles(loaded: LoadedRecipe): Partial<Pick<RecipePaths, 'model'>> & RewardPaths {
  const { model } = locateInputs(loaded.recipe, loaded);
  return { ...(model !== undefined && { model }), ...locateRewardFiles(loaded.recipe, loaded.file) };
}

/**
 * Where generated inputs of a lent fleet lie, under the runs' home: one folder per data section and state of the files that it names,
 * so that a file which was edited is prepared anew. An artefact is what its digest says.
 */
export async function fleetInputsDirectory({ recipe, file }: LoadedRecipe, home: string, key: string): Promise<string> {
  const { musique, rows } = locateInputs(recipe, { file }).data;
  const sources = [...Object.values(musique ?? {}), ...(rows === undefined ? [] : Object.values(rowFiles(rows)))];
  const hash = createHash('sha256').update(key);
  for (const source of sources) {
    if (typeof source !== 'string') continue;
    // One that is missing is named where it is read.
    const stats = await stat(source).catch(() => undefined);
    hash.update(`\n${source} ${stats?.size} ${stats?.mtimeMs} ${stats?.ino}`);
  }
  return join(resolve(home), 'inputs', hash.digest('hex').slice(0, 12));
}
