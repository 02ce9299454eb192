import { createReadStream } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { TerminalError } from '#platform/errors.ts';
import { createIndexReader } from '../index/index-reader.ts';
import { writeManifest, type IndexManifest } from '../index/manifest.ts';
import { closeIndex, openIndex } from '../index/open-index.ts';
import type { Encoder } from '../models/encoder.ts';
import { encoderFacts } from './check-encoder.ts';
import { dropEncoded, encodePassages, type EncodeProgress } from './encode-passages.ts';
import type { VectorKind, VectorScalar } from './vectors-manifest.ts';
import { writeHnsw } from './write-hnsw.ts';

export type VectorProgress =
  | ({ readonly phase: 'encoding' } & EncodeProgress)
  | { readonly phase: 'linking'; readonly passages: number; readonly totalPassages: number };

export interface BuildVectorsOptions {
  readonly kind: VectorKind;
  /** HNSW only; f32 unless given. */
  readonly scalar?: VectorScalar | undefined;
  readonly onProgress?: ((progress: VectorProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const filePrefix = 'vectors-';

/**
 * Adds vectors of all passages to an index, in the place of those that it had. The manifest changes last and at once: until
 * then the index is what it was, and a build that was interrupted goes on where it stopped when it is started again with
 * the same encoder.
 */
export async function buildVectors(
  directory: string,
  encoder: Encoder,
  options: BuildVectorsOptions,
): Promise<IndexManifest> {
  const { kind, scalar = 'f32', onProgress, signal } = options;
  if (kind === 'exact' && scalar !== 'f32') {
    throw new TerminalError('invalid_argument', `scalar: exact vectors are f32, not ${scalar}; leave it out`);
  }
  const data = await openIndex(directory, { signal });
  const encoded = join(directory, 'vectors.partial');
  const linked = join(directory, 'vectors.partial.hnsw');
  try {
    const { corpus, settings } = data.manifest;
    const { passages } = corpus;
    if (passages === 0) {
      throw new TerminalError('failed_precondition', `${directory}: has no passages, so there is nothing to encode`);
    }
    const reader = createIndexReader(data);
    const texts = {
      passages,
      fingerprint: JSON.stringify([corpus.sha256, settings.chunk ?? null]),
      text: (passage: number): string => passageText(reader.text(passage)),
    };
    await encodePassages(texts, encoder, encoded, {
      signal,
      onProgress: (progress) => onProgress?.({ phase: 'encoding', ...progress }),
    });
    if (kind === 'hnsw') {
      await writeHnsw({
        from: encoded,
        to: linked,
        passages,
        dimensions: encoder.dimensions,
        scalar,
        signal,
        onProgress: (done) => onProgress?.({ phase: 'linking', passages: done, totalPassages: passages }),
      });
    }
    const made = kind === 'hnsw' ? linked : encoded;
    const sum = await checksum(made, signal);
    // A name of its own for every content: anyone who reads the old file goes on reading it.
    const file = `${filePrefix}${sum.crc32.toString(16).padStart(8, '0')}.${kind}`;
    await rename(made, join(directory, file));
    const manifest: IndexManifest = {
      ...data.manifest,
      vectors: { ...encoderFacts(encoder), metric: 'ip', passages, kind, scalar, file, ...sum },
    };
    await writeManifest(directory, manifest);
    await dropEncoded(encoded);
    for (const name of await readdir(directory)) {
      if (name.startsWith(filePrefix) && name !== file) await rm(join(directory, name), { force: true });
    }
    return manifest;
  } finally {
    closeIndex(data);
    await rm(linked, { force: true });
  }
}

/** What an encoder and a cross-encoder read of a passage, as Search-R1's corpora have it. */
export function passageText({ title, text }: { readonly title: string; readonly text: string }): string {
  return title === '' ? text : `${title}\n${text}`;
}

async function checksum(path: string, signal: AbortSignal | undefined): Promise<{ bytes: number; crc32: number }> {
  let bytes = 0;
  let sum = 0;
  const stream = createReadStream(path, { highWaterMark: 1 << 20, ...(signal === undefined ? {} : { signal }) });
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    sum = crc32(chunk, sum);
  }
  return { bytes, crc32: sum };
}
