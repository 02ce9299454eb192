import { cp, mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isThere } from '#platform/files/is-there.ts';

/** What of a model directory is neither weights nor config: tokenizer and templates. */
const beside =
  /^(?:tokenizer(?:_config)?|special_tokens_map|added_tokens|generation_config|vocab)\.json$|^merges\.txt$|^chat_template\.jinja$|\.(?:model|tiktoken)$/;
const ofWeights = /^config\.json$|^model.*\.safetensors(?:\.index\.json)?$/;

/**
 * A directory that `AutoModelForCausalLM` and `AutoTokenizer` of transformers load: config and weights of `weights`, tokenizer and chat
 * template of `model`. It shows a whole directory or none, and replaces what stands there.
 */
export async function exportModel(weights: string, model: string, to: string): Promise<void> {
  await writeModel((draft) => copyWeights(weights, draft), model, to);
}

/** The same of config and weights that `write` puts into the directory that it is given. */
export async function writeModel(
  write: (directory: string) => Promise<void>,
  model: string,
  to: string,
): Promise<void> {
  const draft = `${to}.draft`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  await write(draft);
  for (const name of (await readdir(model)).filter((each) => beside.test(each)))
    await cp(join(model, name), join(draft, name), { dereference: true });
  if (!(await isThere(join(draft, 'tokenizer_config.json'))))
    await writeFile(join(draft, 'tokenizer_config.json'), `${JSON.stringify(await tokenizerConfig(draft), null, 2)}\n`);
  await mkdir(dirname(to), { recursive: true });
  await rm(to, { recursive: true, force: true });
  await rename(draft, to);
}

export async function copyWeights(from: string, to: string): Promise<void> {
  for (const name of (await readdir(from)).filter((each) => ofWeights.test(each)))
    await cp(join(from, name), join(to, name), { dereference: true });
}

/** For a tokenizer.json alone: which class reads it, and which token ends a text. */
async function tokenizerConfig(directory: string): Promise<Record<string, unknown>> {
  const config = await readObject(join(directory, 'config.json'));
  const tokenizer = await readObject(join(directory, 'tokenizer.json'));
  const ends: unknown = config['eos_token_id'];
  const end: unknown = Array.isArray(ends) ? ends[0] : ends;
  const added: unknown = tokenizer['added_tokens'];
  const token = (Array.isArray(added) ? added : []).find(
    (each: unknown): each is { id: unknown; content: string } =>
      typeof each === 'object' && each !== null && 'id' in each && each.id === end && 'content' in each,
  );
  const longest: unknown = config['max_position_embeddings'];
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    clean_up_tokenization_spaces: false,
    ...(typeof longest === 'number' && { model_max_length: longest }),
    ...(token !== undefined && { eos_token: token.content }),
  };
}

async function readObject(path: string): Promise<Record<string, unknown>> {
  const value: unknown = JSON.parse(await readFile(path, 'utf8'));
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
