import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { TerminalError, throwIfCancelled } from '#platform/errors.ts';
import { floatFormats, isFloatType, widestOf } from '#weights/number-formats.ts';
import type { FloatType } from '#weights/number-formats.ts';
import type { TensorPlace } from '#weights/safetensors.ts';

/** A model that is averaged; of all of them the tensors have the same names and shapes. */
export interface Averaged {
  /** For people. */
  readonly name: string;
  readonly weight: number;
  readonly tensors: ReadonlyMap<string, TensorPlace>;
}

/** Numbers that are in memory at a time, of each of two models; a few milliseconds of work (the lease is renewed between). */
const pieceNumbers = 64 * 1024;

/**
 * Writes sum(weight x tensor) / sum(weight) of every tensor to a safetensors file, piece by piece: memory does not grow with the models
 * (P6). Sums are 64-bit floats; a tensor is written in the narrowest type that holds the numbers of all models. Throws TerminalError that
 * names the tensor for a number that is not finite.
 */
export async function writeMean(models: readonly Averaged[], to: string, signal: AbortSignal): Promise<void> {
  const total = models.reduce((sum, { weight }) => sum + weight, 0);
  // In the order of the first model's files: it is read from front to back.
  const names = [...(models[0]?.tensors ?? [])]
    .toSorted(([, a], [, b]) => (a.file === b.file ? a.start - b.start : a.file < b.file ? -1 : 1))
    .map(([name]) => name);
  // The widest numbers first, so that each begins at a multiple of its size, as readers want it.
  const outlines = names
    .map((name) => outlineOf(name, models))
    .toSorted((a, b) => floatFormats[b.type].bytesEach - floatFormats[a.type].bytesEach);
  await using readers = openReaders(models);
  await using file = await open(to, 'w');
  let position = await writeHeader(file, outlines);
  for (const { name, type, numbers } of outlines) {
    const format = floatFormats[type];
    for (let begin = 0; begin < numbers; begin += pieceNumbers) {
      throwIfCancelled(signal);
      const size = Math.min(pieceNumbers, numbers - begin);
      const mean = new Float64Array(size);
      const values = new Float64Array(size);
      for (const [index, { weight, name: model }] of models.entries()) {
        await readers.read(index, name, begin, values);
        for (let at = 0; at < size; at++) {
          const value = values[at] ?? NaN;
          if (!Number.isFinite(value)) throw notFinite(`${model}: tensor ${name} holds ${value}`);
          mean[at] = (mean[at] ?? 0) + (weight / total) * value;
        }
      }
      const bytes = format.encode(mean);
      format.decode(aligned(bytes), values);
      const lost = values.findIndex((value) => !Number.isFinite(value));
      if (lost >= 0)
        throw notFinite(`the mean of tensor ${name} holds ${mean[lost]}, which is not a number of ${type}`);
      await file.write(bytes, 0, bytes.length, position);
      position += bytes.length;
    }
  }
  await file.sync();
}

interface Outline {
  readonly name: string;
  readonly type: FloatType;
  readonly shape: readonly number[];
  readonly numbers: number;
}

function outlineOf(name: string, models: readonly Averaged[]): Outline {
  const places = models.map(({ tensors }) => placeOf(tensors, name));
  const shape = places[0]?.shape ?? [];
  const type = widestOf(places.map(({ dtype }) => typeOf(name, dtype)));
  return { name, type, shape, numbers: shape.reduce((product, size) => product * size, 1) };
}

/** Gives where the tensors begin. */
async function writeHeader(file: FileHandle, outlines: readonly Outline[]): Promise<number> {
  let end = 0;
  const header = Object.fromEntries(
    outlines.map(({ name, type, shape, numbers }) => {
      const start = end;
      end += numbers * floatFormats[type].bytesEach;
      return [name, { dtype: type, shape, data_offsets: [start, end] }];
    }),
  );
  const text = JSON.stringify({ __metadata__: { format: 'pt' }, ...header });
  // Tensors begin at a multiple of 8.
  const bytes = Buffer.from(text.padEnd(text.length + ((8 - (Buffer.byteLength(text) % 8)) % 8)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  await file.write(Buffer.concat([length, bytes]));
  return length.length + bytes.length;
}

/** One file of each model is open at a time. */
function openReaders(models: readonly Averaged[]) {
  const files = new Map<number, { readonly path: string; readonly file: FileHandle }>();
  const fileOf = async (index: number, path: string): Promise<FileHandle> => {
    const known = files.get(index);
    if (known?.path === path) return known.file;
    files.delete(index);
    await known?.file.close();
    const file = await open(path);
    files.set(index, { path, file });
    return file;
  };
  return {
    /** As many numbers as `into` holds, from number `begin` of the tensor. */
    async read(index: number, name: string, begin: number, into: Float64Array): Promise<void> {
      const { file: path, start, dtype } = placeOf(models[index]?.tensors, name);
      const { bytesEach, decode } = floatFormats[typeOf(name, dtype)];
      const bytes = Buffer.from(new ArrayBuffer(into.length * 8), 0, into.length * bytesEach);
      const file = await fileOf(index, path);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, start + begin * bytesEach);
      if (bytesRead < bytes.length) throw new TerminalError('data_loss', `${path}: was cut within tensor ${name}`);
      decode(bytes.buffer, into);
    },
    async [Symbol.asyncDispose]() {
      for (const { file } of files.values()) await file.close();
    },
  };
}

function aligned(bytes: Uint8Array): ArrayBuffer {
  const copy = new ArrayBuffer(Math.ceil(bytes.length / 8) * 8);
  new Uint8Array(copy).set(bytes);
  return copy;
}

function placeOf(tensors: Averaged['tensors'] | undefined, name: string): TensorPlace {
  const place = tensors?.get(name);
  if (place === undefined) throw new TerminalError('internal', `a model without tensor ${name} is averaged`);
  return place;
}

function typeOf(name: string, dtype: string): FloatType {
  if (!isFloatType(dtype)) throw new TerminalError('internal', `tensor ${name} of ${dtype} is averaged`);
  return dtype;
}

function notFinite(problem: string): TerminalError {
  return new TerminalError('failed_precondition', `${problem}; leave the model out, or make it anew`);
}
