import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { isMissing } from '#platform/files/file-error.ts';
import { parseJsonAt } from '#platform/files/parse-json.ts';
import { isFloatType } from '#weights/number-formats.ts';
import type { TensorPlace } from '#weights/safetensors.ts';

/** What of a model has to be the same in all that are averaged. What a file does not say is undefined. */
export interface ModelOutline {
  readonly tensors: ReadonlyMap<string, Pick<TensorPlace, 'dtype' | 'shape'>> | undefined;
  readonly config: JsonObject | undefined;
  readonly tokenizer: JsonObject | undefined;
}

type JsonObject = Readonly<Record<string, unknown>>;

/** Of a kind of difference; the first ones say what is wrong. */
const mostShown = 5;

/** Keys of config.json that change no number of the model: who wrote it, and how text is generated with it. */
const besideTheModel = new Set(
  (
    '_name_or_path architectures attention_dropout bos_token_id dtype eos_token_id initializer_range max_position_embeddings ' +
    'max_window_layers pad_token_id torch_dtype transformers_version use_cache'
  ).split(' '),
);

/** Why `model` cannot be averaged with `reference`, a sentence each; all of it at once. */
export function differencesOf(model: ModelOutline, reference: ModelOutline): string[] {
  return [
    ...configDifferences(model.config, reference.config),
    ...tokenizerDifferences(model.tokenizer, reference.tokenizer),
    ...tensorDifferences(model.tensors, reference.tensors),
  ];
}

function configDifferences(config: JsonObject | undefined, reference: JsonObject | undefined): string[] {
  if (config === undefined || reference === undefined) return [];
  // Keys that one of them leaves out have a default there, which only their reader knows; shapes are compared besides.
  const differing = Object.keys(reference).filter(
    (key) =>
      key in config &&
      !besideTheModel.has(key) &&
      config[key] !== null &&
      reference[key] !== null &&
      canonical(config[key]) !== canonical(reference[key]),
  );
  return shown(
    differing.toSorted(),
    (key) => `config.json: ${key} is ${canonical(config[key])}, of the policy it is ${canonical(reference[key])}`,
  );
}

/** Of one vocabulary, split in one way; how a file of it is laid out is not compared. */
function tokenizerDifferences(tokenizer: JsonObject | undefined, reference: JsonObject | undefined): string[] {
  if (tokenizer === undefined || reference === undefined) return [];
  const parts = ['added_tokens', 'normalizer', 'pre_tokenizer', 'decoder'];
  const differing = parts.filter((part) => canonical(tokenizer[part]) !== canonical(reference[part]));
  const models = [tokenizer['model'], reference['model']].map((model) => Object(model) as JsonObject);
  const ofModel = (of: JsonObject | undefined) => [of?.['vocab'], mergesOf(of)].map((part) => canonical(part));
  const [vocabulary, merges] = ofModel(models[0]);
  const [otherVocabulary, otherMerges] = ofModel(models[1]);
  if (vocabulary !== otherVocabulary) differing.push('model.vocab');
  if (merges !== otherMerges) differing.push('model.merges');
  return differing.length === 0 ? [] : [`tokenizer.json: ${differing.join(', ')} is not that of the policy`];
}

/** `a b`, or `["a", "b"]` in newer files. */
function mergesOf(model: JsonObject | undefined): unknown {
  const merges = model?.['merges'];
  return Array.isArray(merges) ? merges.map((pair: unknown) => (Array.isArray(pair) ? pair.join(' ') : pair)) : merges;
}

function tensorDifferences(tensors: ModelOutline['tensors'], reference: ModelOutline['tensors']): string[] {
  if (tensors === undefined) return [];
  const types = shown(
    [...tensors].filter(([, { dtype }]) => !isFloatType(dtype)),
    ([name, { dtype }]) => `tensor ${name} is of ${dtype}; F64, F32, F16 and BF16 can be averaged`,
  );
  if (reference === undefined) return types;
  const names = [...reference.keys()].toSorted();
  return [
    ...shown(
      names.filter((name) => !tensors.has(name)),
      (name) => `tensor ${name} is missing`,
    ),
    ...shown(
      [...tensors.keys()].toSorted().filter((name) => !reference.has(name)),
      (name) => `tensor ${name} is none of the policy`,
    ),
    ...shown(
      names.filter((name) => tensors.has(name) && shapeOf(tensors, name) !== shapeOf(reference, name)),
      (name) => `tensor ${name} has shape ${shapeOf(tensors, name)}, in the policy ${shapeOf(reference, name)}`,
    ),
    ...types,
  ];
}

function shapeOf(tensors: NonNullable<ModelOutline['tensors']>, name: string): string {
  return `[${(tensors.get(name)?.shape ?? []).join(', ')}]`;
}

function shown<T>(all: readonly T[], say: (one: T) => string): string[] {
  const rest = all.length - mostShown;
  return [...all.slice(0, mostShown).map(say), ...(rest > 0 ? [`${rest} more like the last one`] : [])];
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** Undefined where there is none. Throws TerminalError for a file that is not a JSON object. */
export async function readJsonObject(directory: string, name: string): Promise<JsonObject | undefined> {
  const path = join(directory, name);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    if (isMissing(thrown)) return undefined;
    throw thrown;
  }
  const value = parseJsonAt(text, path);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new TerminalError('invalid_argument', `${path}: is not a JSON object`);
}
