import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isMissing } from '#platform/files/file-error.ts';
import { weightsName } from './manifest.ts';
import { readHeader } from './safetensors.ts';

/** As Hugging Face writes it where the weights lie in several files. The learner and the engines check the tensors themselves. */
export const weightIndexName = 'model.safetensors.index.json';
const mostIndexBytes = 32 * 1024 * 1024;

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string().regex(weightsName)) });

/** What is wrong with the weights' files of a model directory, as the learner and the engines would say it; reads their headers, no weights. */
export async function weightFileProblems(directory: string): Promise<string[]> {
  const places = await placeProblems(directory);
  if (places.length > 0) return places;
  const names = (await readdir(directory)).filter((name) => weightsName.test(name)).toSorted();
  const problems: string[] = [];
  for (const name of names) {
    const problem = await fileProblem(join(directory, name));
    if (problem !== undefined) problems.push(`${join(directory, name)}: ${problem}`);
  }
  return problems;
}

/** A file is as long as its header says, or it was cut. */
export async function fileProblem(path: string): Promise<string | undefined> {
  const isNone = 'is not a safetensors file, or was cut; copy it anew';
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    const header = await readHeader(path, file, size);
    if (header === undefined) return isNone;
    const { endBytes } = header;
    if (size === endBytes) return undefined;
    return `has ${size} bytes, and its header says ${endBytes}; ${size < endBytes ? 'it was cut: ' : ''}copy it anew`;
  } catch (thrown) {
    if (thrown instanceof Error && 'syscall' in thrown) return `cannot be read: ${thrown.message}`;
    throw thrown;
  }
}

/** Whether the files are there that the index names, and no others. */
async function placeProblems(directory: string): Promise<string[]> {
  const path = join(directory, weightIndexName);
  const there = (await readdir(directory).catch(() => [])).filter((name) => weightsName.test(name));
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > mostIndexBytes) return [`${path}: larger than ${mostIndexBytes} bytes; it is not the index of a model`];
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    if (!isMissing(thrown)) return [`${path} cannot be read`];
    return there.length > 0 ? [] : [`${join(directory, 'model.safetensors')} or ${weightIndexName} is missing`];
  }
  const named = shardsOf(text);
  if (named === undefined) {
    return [
      `${path}: is not an index of weights; weight_map must name a file model*.safetensors next to it for each tensor`,
    ];
  }
  return [
    ...[...named].filter((name) => !there.includes(name)).map((name) => `${join(directory, name)} is missing`),
    ...there
      .filter((name) => !named.has(name))
      .map((name) => `${join(directory, name)} is not named by ${weightIndexName}; move it away`),
  ];
}

/** Undefined where the text is not an index. */
function shardsOf(text: string): ReadonlySet<string> | undefined {
  try {
    const names = new Set(Object.values(indexSchema.parse(JSON.parse(text)).weight_map));
    return names.size === 0 ? undefined : names;
  } catch {
    // JSON that is cut, or of another shape: the caller names the file.
    return undefined;
  }
}
