import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { isMissing } from '#platform/files/file-error.ts';
import type { RecipePaths } from '../resolve-recipe.ts';

/** A file that a run stands on. `name` is the same wherever the file lies: `train`, `model/config.json`, `scorers/house/reward.py`. */
export interface InputFile {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
}

/** What of a model directory decides what is loaded: weights, configs, tokenizer, chat template. */
const ofModels = /\.(?:json|safetensors|jinja|model|tiktoken)$|^(?:merges|vocab)\.txt$/;
const ofSearchModels = /\.(?:json|onnx|onnx_data)$|^vocab\.txt$/;
const typescript = /\.[cm]?[jt]s$/;
const python = /\.py$/;
/** A folder with more of them is a collection rather than a scorer's own: then only the scorer's file is looked at. */
const mostNeighbours = 64;

/**
 * The files that a run stands on. Of a custom scorer these are its file and those of its language in the same folder, which are what
 * it imports first; not covered are packages in folders below, installed ones, files that it opens, and servers that it asks.
 * Keys and replies of judges are none of it: a run reads and writes them, and no task follows from them.
 */
export async function inputFiles(paths: RecipePaths): Promise<InputFile[]> {
  const scorers = Object.entries(paths.scorers ?? {}).map(([scorer, path]) => filesOfScorer(scorer, path));
  const stages = Object.entries(paths.stages ?? {}).map(([name, path]) => filesOfStage(`stages/${name}`, path));
  return [
    { name: 'train', path: paths.train },
    { name: 'held_out', path: paths.held_out },
    ...(paths.corpus === undefined ? [] : [{ name: 'corpus', path: paths.corpus }]),
    ...(paths.environment_file === undefined ? [] : [{ name: 'environment', path: paths.environment_file }]),
    ...(await filesIn(paths.model, (file) => ofModels.test(file), 'model/')),
    ...(await Promise.all(Object.entries(paths.search_models ?? {}).map(filesOfSearchModel))).flat(),
    ...(await Promise.all(scorers)).flat(),
    ...(await Promise.all(stages)).flat(),
  ];
}

const loadedOfModels =
  /^model\/(?:config\.json|tokenizer(?:_config)?\.json|chat_template\.jinja|model.*\.safetensors(?:\.index\.json)?)$/;

/** Whether a file is loaded by its name. The others lie next to such a file: it may load them, or have nothing to do with them. */
export function isLoaded(name: string, paths: RecipePaths): boolean {
  if (name.startsWith('model/')) return loadedOfModels.test(name);
  if (!name.startsWith('scorers/')) return true;
  return Object.entries(paths.scorers ?? {}).some(([scorer, path]) => name === `scorers/${scorer}/${basename(path)}`);
}

/** Exporters put the weights next to the config or into `onnx/`. */
async function filesOfSearchModel([name, path]: readonly [string, string]): Promise<InputFile[]> {
  const folders = ['', 'onnx/'].map((folder) =>
    filesIn(join(path, folder), (file) => ofSearchModels.test(file), `search_models/${name}/${folder}`),
  );
  return (await Promise.all(folders)).flat();
}

/** A file, or a model in a directory. */
async function filesOfStage(name: string, path: string): Promise<InputFile[]> {
  const ofDirectory = await filesIn(path, (file) => ofModels.test(file), `${name}/`);
  return ofDirectory.length > 0 ? ofDirectory : [{ name, path }];
}

async function filesOfScorer(scorer: string, path: string): Promise<InputFile[]> {
  const language = extname(path) === '.py' ? python : typescript;
  const files = await filesIn(dirname(path), (file) => language.test(file), `scorers/${scorer}/`);
  if (files.length <= mostNeighbours && files.some((file) => file.path === path)) return files;
  return [{ name: `scorers/${scorer}/${basename(path)}`, path }];
}

async function filesIn(directory: string, isOne: (file: string) => boolean, prefix: string): Promise<InputFile[]> {
  let entries;
  try {
    entries = await readdir(directory);
  } catch (thrown) {
    // What is not there is not recorded, and missed by name where it had been.
    if (isMissing(thrown)) return [];
    throw thrown;
  }
  return entries
    .filter(isOne)
    .toSorted()
    .map((file) => ({ name: `${prefix}${file}`, path: join(directory, file) }));
}
