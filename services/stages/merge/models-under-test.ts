import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { floatFormats } from '#weights/number-formats.ts';
import type { FloatType } from '#weights/number-formats.ts';
import { readTensorPlaces } from '#weights/safetensors.ts';
import { safetensorsOf } from '../../../tests/fixtures/safetensors.ts';
import type { TestTensor, TestTensors } from '../../../tests/fixtures/safetensors.ts';

export type { TestTensors };

export async function writeTensors(path: string, tensors: TestTensors): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, safetensorsOf(tensors));
}

export const config = { model_type: 'qwen3', hidden_size: 2, num_hidden_layers: 1, rope_theta: 10_000 };
export const tokenizer = { added_tokens: [], model: { vocab: { a: 0, b: 1 }, merges: ['a b'] } };

/** A model directory; `files` has the tensors of each file, and two of them get an index. */
export async function writeModel(
  directory: string,
  files: Readonly<Record<string, TestTensors>>,
  more: { readonly config?: object; readonly tokenizer?: object } = {},
): Promise<string> {
  for (const [file, tensors] of Object.entries(files)) await writeTensors(join(directory, file), tensors);
  const places = Object.entries(files).flatMap(([file, tensors]) => Object.keys(tensors).map((name) => [name, file]));
  const write = (name: string, value: unknown) => writeFile(join(directory, name), JSON.stringify(value));
  if (Object.keys(files).length > 1)
    await write('model.safetensors.index.json', { metadata: {}, weight_map: Object.fromEntries(places) });
  await write('config.json', more.config ?? config);
  await write('tokenizer.json', more.tokenizer ?? tokenizer);
  return directory;
}

export async function readNumbers(path: string): Promise<Record<string, TestTensor>> {
  const found: Record<string, TestTensor> = {};
  for (const [name, { file, dtype, shape, start, sizeBytes }] of await readTensorPlaces(path)) {
    const bytes = new ArrayBuffer(Math.ceil(sizeBytes / 8) * 8);
    new Uint8Array(bytes).set((await readFile(file)).subarray(start, start + sizeBytes));
    const { bytesEach, decode } = floatFormats[dtype as FloatType];
    const values = new Float64Array(sizeBytes / bytesEach);
    decode(bytes, values);
    found[name] = { dtype: dtype as FloatType, shape, values: [...values] };
  }
  return found;
}
