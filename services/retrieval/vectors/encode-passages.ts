import { open, readFile, rename, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { z } from 'zod';
import { TerminalError, throwIfCancelled } from '#platform/errors.ts';
import type { Encoder } from '../models/encoder.ts';
import { encoderFacts } from './check-encoder.ts';

/** The passages of an index, in its order. */
export interface PassageTexts {
  readonly passages: number;
  /** What the encoder reads of a passage. */
  text(passage: number): string;
  /** Two indexes with the same texts have the same: a build that was interrupted goes on only over the same texts. */
  readonly fingerprint: string;
}

export interface EncodeProgress {
  readonly passages: number;
  readonly totalPassages: number;
  /** Of this run, without what an earlier one had done. */
  readonly passagesPerSecond: number;
  readonly remainingMs: number;
}

export interface EncodeOptions {
  readonly onProgress?: ((progress: EncodeProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Encoded and written together, and at most lost when the process is killed. */
const groupPassages = 1_024;

const stateFile = z.object({ fingerprint: z.string(), passages: z.int().nonnegative() });

/**
 * Writes the vectors of all passages to `path`, 32-bit floats one after the other. How far it is stands in `path.state`, so
 * that a build that was interrupted goes on where it was. Memory: two groups of texts and vectors.
 */
export async function encodePassages(
  texts: PassageTexts,
  encoder: Encoder,
  path: string,
  { onProgress, signal }: EncodeOptions,
): Promise<void> {
  const statePath = `${path}.state`;
  const fingerprint = JSON.stringify([texts.fingerprint, texts.passages, encoderFacts(encoder)]);
  const vectorBytes = encoder.dimensions * 4;
  const begun = await readState(statePath);
  const written = (await stat(path).catch(() => undefined))?.size ?? 0;
  const usable = begun?.fingerprint === fingerprint && written >= begun.passages * vectorBytes;
  const first = usable ? begun.passages : 0;
  await using file = await open(path, first === 0 ? 'w' : 'r+');
  const started = performance.now();
  const groups: { readonly start: number; readonly vectors: Promise<Float32Array> }[] = [];
  let next = first;
  let done = first;
  for (;;) {
    // Two groups at a time: one is in the encoder while the other is read and written.
    while (groups.length < 2 && next < texts.passages) {
      const start = next;
      next = Math.min(start + groupPassages, texts.passages);
      const vectors = encodeGroup(texts, encoder, start, next, signal);
      // Awaited below, or dropped after the failure of the group before.
      vectors.catch(() => undefined);
      groups.push({ start, vectors });
    }
    const group = groups.shift();
    if (group === undefined) break;
    const vectors = await group.vectors;
    throwIfCancelled(signal);
    checkFinite(vectors, encoder, group.start);
    await writeAll(file, vectors, group.start * vectorBytes);
    await file.datasync();
    done = group.start + vectors.length / encoder.dimensions;
    await writeState(statePath, { fingerprint, passages: done });
    const passagesPerSecond = (1000 * (done - first)) / (performance.now() - started);
    onProgress?.({
      passages: done,
      totalPassages: texts.passages,
      passagesPerSecond,
      remainingMs: (1000 * (texts.passages - done)) / passagesPerSecond,
    });
  }
  await file.truncate(texts.passages * vectorBytes);
}

/** Removes what an interrupted build left. */
export async function dropEncoded(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(`${path}.state`, { force: true });
}

/** Passages of about the same length go together, so that little is computed on padding. */
async function encodeGroup(
  texts: PassageTexts,
  encoder: Encoder,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const { dimensions } = encoder;
  const group = Array.from({ length: end - start }, (_, at) => ({ at, text: texts.text(start + at) }));
  group.sort((a, b) => b.text.length - a.text.length);
  const sorted = await encoder.encode(
    group.map(({ text }) => text),
    'passage',
    signal,
  );
  const vectors = new Float32Array(sorted.length);
  group.forEach(({ at }, from) => {
    vectors.set(sorted.subarray(from * dimensions, (from + 1) * dimensions), at * dimensions);
  });
  return vectors;
}

async function writeAll(file: FileHandle, vectors: Float32Array, position: number): Promise<void> {
  const content = new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength);
  for (let at = 0; at < content.length;) {
    at += (await file.write(content, at, content.length - at, position + at)).bytesWritten;
  }
}

function checkFinite(vectors: Float32Array, encoder: Encoder, start: number): void {
  const at = vectors.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new TerminalError(
    'failed_precondition',
    `model ${encoder.id}: its vector of passage ${start + Math.floor(at / encoder.dimensions)} holds ${vectors[at]}; ` +
      'the weights are damaged, or overflow in their precision',
  );
}

async function readState(path: string): Promise<z.infer<typeof stateFile> | undefined> {
  const content = await readFile(path, 'utf8').catch(() => undefined);
  if (content === undefined) return undefined;
  try {
    return stateFile.parse(JSON.parse(content));
  } catch {
    // Whatever it was, the work begins anew: nothing but time is lost.
    return undefined;
  }
}

async function writeState(path: string, state: z.infer<typeof stateFile>): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify(state));
  await rename(`${path}.new`, path);
}
