import { open, readdir } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { weightsName } from './manifest.ts';

/**
 * Safetensors: eight bytes with the length of a header, the header as JSON, then the tensors, row-major and little-endian.
 * https://github.com/huggingface/safetensors#format
 */

/** What safetensors itself allows. */
const mostHeaderBytes = 100_000_000;
export const lengthBytes = 8;

const count = z.int().min(0);
const tensorSchema = z.object({ dtype: z.string(), shape: z.array(count), data_offsets: z.tuple([count, count]) });

/** A tensor of a file. `start` is its first byte there. */
export interface TensorPlace {
  readonly file: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly start: number;
  readonly sizeBytes: number;
}

export interface SafetensorsHeader {
  /** As long as the file has to be. */
  readonly endBytes: number;
  readonly tensors: ReadonlyMap<string, TensorPlace>;
}

/** Undefined where the file is none, or was cut within its header. Reads no tensor. */
export async function readHeader(path: string, file: FileHandle, size: number): Promise<SafetensorsHeader | undefined> {
  if (size < lengthBytes) return undefined;
  const headerBytes = Number((await readAt(file, 0, lengthBytes)).readBigUInt64LE());
  const begin = lengthBytes + headerBytes;
  if (headerBytes > mostHeaderBytes || begin > size) return undefined;
  const tensors = new Map<string, TensorPlace>();
  let endBytes = begin;
  try {
    const header: unknown = JSON.parse((await readAt(file, lengthBytes, headerBytes)).toString('utf8'));
    for (const [name, value] of Object.entries(z.record(z.string(), z.unknown()).parse(header))) {
      if (name === '__metadata__') continue;
      const { dtype, shape, data_offsets: offsets } = tensorSchema.parse(value);
      const [start, end] = offsets;
      tensors.set(name, { file: path, dtype, shape, start: begin + start, sizeBytes: end - start });
      endBytes = Math.max(endBytes, begin + end);
    }
  } catch (thrown) {
    if (thrown instanceof SyntaxError || thrown instanceof z.ZodError) return undefined;
    throw thrown;
  }
  return { endBytes, tensors };
}

/** Every tensor of a `.safetensors` file, or of the weights in a directory, which are whole (`weightFileProblems`). */
export async function readTensorPlaces(path: string): Promise<ReadonlyMap<string, TensorPlace>> {
  const files = path.endsWith('.safetensors')
    ? [path]
    : (await readdir(path))
        .filter((name) => weightsName.test(name))
        .toSorted()
        .map((name) => join(path, name));
  const found = new Map<string, TensorPlace>();
  for (const each of files) {
    await using file = await open(each);
    const header = await readHeader(each, file, (await file.stat()).size);
    if (header === undefined)
      throw new TerminalError('invalid_argument', `${each}: is not a safetensors file, or was cut; copy it anew`);
    for (const [name, place] of header.tensors) {
      if (found.has(name))
        throw new TerminalError('invalid_argument', `${each}: ${name} is in ${found.get(name)?.file} too; keep one`);
      found.set(name, place);
    }
  }
  return found;
}

async function readAt(file: FileHandle, position: number, bytes: number): Promise<Buffer> {
  const { buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, position);
  return buffer;
}
