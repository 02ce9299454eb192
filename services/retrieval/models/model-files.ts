import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';

/** A model directory that has all that inference needs. */
export interface ModelFiles {
  /** Names the model to people: hub id with its revision unless that is main, or the path of the directory. */
  readonly id: string;
  readonly directory: string;
  /** ONNX, absolute. */
  readonly weightsPath: string;
  readonly tokenizerPath: string;
  readonly configPath: string;
}

/** Where exporters put the weights, in the order of search. */
export const weightsFiles = ['onnx/model.onnx', 'model.onnx'] as const;
export const requiredFiles = ['tokenizer.json', 'config.json'] as const;
/** Read where present: how sentence-transformers describes what happens around the network. */
export const optionalFiles = [
  'modules.json',
  '1_Pooling/config.json',
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
] as const;

/** Names of the files that hold what does not fit in the weights file itself (protobuf ends at 2 GiB). */
export const externalDataFiles = (weights: string): readonly string[] => [`${weights}_data`, `${weights}.data`];

export async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() === true;
}

export interface FoundFiles {
  readonly weights: string | undefined;
  /** Names of files that are needed and not there. */
  readonly missing: readonly string[];
}

/** Which of the files inference needs are in the directory. */
export async function findFiles(directory: string, weightsFile: string | undefined): Promise<FoundFiles> {
  const candidates = weightsFile === undefined ? weightsFiles : [weightsFile];
  let weights: string | undefined;
  for (const candidate of candidates) {
    if (weights === undefined && (await isFile(join(directory, candidate)))) weights = candidate;
  }
  const missing: string[] = weights === undefined ? [candidates.join(' or ')] : [];
  for (const name of requiredFiles) if (!(await isFile(join(directory, name)))) missing.push(name);
  return { weights, missing };
}

export function modelFiles(id: string, directory: string, weights: string): ModelFiles {
  return {
    id,
    directory,
    weightsPath: join(directory, weights),
    tokenizerPath: join(directory, 'tokenizer.json'),
    configPath: join(directory, 'config.json'),
  };
}

/** Content of a JSON file of the model; undefined where there is none. */
export async function readModelJson(files: ModelFiles, name: string): Promise<unknown> {
  const path = join(files.directory, name);
  if (!(await isFile(path))) return undefined;
  try {
    const parsed: unknown = JSON.parse(await readFile(path, 'utf8'));
    return parsed;
  } catch (cause) {
    throw new TerminalError('failed_precondition', `model ${files.id}: ${path} is not JSON; get the file anew`, {
      cause,
    });
  }
}
