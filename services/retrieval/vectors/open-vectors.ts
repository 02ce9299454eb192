import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { TerminalError, throwIfCancelled } from '#platform/errors.ts';
import { blockPassages, startExactSearch, type ExactVectors } from './exact-search.ts';
import type { HnswVectors } from './hnsw-search.ts';
import type { VectorSearcher } from './nearest.ts';
import type { VectorsManifest } from './vectors-manifest.ts';

/** Open vectors. Can be posted to worker threads as they are: all share one copy in memory, or one mapped file. */
export type VectorData = ({ readonly kind: 'exact' } & ExactVectors) | ({ readonly kind: 'hnsw' } & HnswVectors);

export interface OpenVectorsOptions {
  /** HNSW: candidates looked at a query; 128 unless given. */
  readonly searchBreadth?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Reads or maps the vectors that the manifest of an index names. Throws `data_loss` when the file is not what it says. */
export async function openVectors(
  directory: string,
  vectors: VectorsManifest,
  options: OpenVectorsOptions = {},
): Promise<VectorData> {
  const { dimensions, passages, kind, scalar } = vectors;
  const path = join(directory, vectors.file);
  const found = (await stat(path).catch(() => undefined))?.size;
  if (found === undefined) {
    throw new TerminalError('failed_precondition', `vectors: ${path} is missing; build the index anew with --encoder`);
  }
  if (found !== vectors.bytes) {
    throw new TerminalError(
      'data_loss',
      `vectors: ${path} has ${found} bytes, its manifest says ${vectors.bytes}; build the index anew with --encoder`,
    );
  }
  switch (kind) {
    case 'hnsw':
      return { kind, path, passages, dimensions, scalar, searchBreadth: options.searchBreadth ?? 128 };
    case 'exact':
      return { kind, passages, dimensions, blocks: await readBlocks(path, vectors, options.signal) };
  }
}

/** A searcher for this thread. */
export async function startVectorSearch(data: VectorData, threads = 1): Promise<VectorSearcher> {
  switch (data.kind) {
    case 'exact':
      return await startExactSearch(data, threads);
    case 'hnsw':
      // Its library is loaded only where an index has a graph.
      return (await import('./hnsw-search.ts')).openHnswSearch(data);
  }
}

async function readBlocks(
  path: string,
  { passages, dimensions, bytes, crc32: expected }: VectorsManifest,
  signal: AbortSignal | undefined,
): Promise<Float32Array[]> {
  if (bytes !== passages * dimensions * 4) {
    throw new TerminalError(
      'data_loss',
      `vectors: ${path} has ${bytes} bytes, ${passages} vectors of ${dimensions} dimensions have ${passages * dimensions * 4}`,
    );
  }
  const blocks: Float32Array[] = [];
  let checksum = 0;
  await using file = await open(path);
  for (let first = 0; first < passages; first += blockPassages) {
    throwIfCancelled(signal);
    const memory = new SharedArrayBuffer(Math.min(blockPassages, passages - first) * dimensions * 4);
    const view = new Uint8Array(memory);
    for (let at = 0; at < view.length;) {
      const { bytesRead } = await file.read(view, at, view.length - at, first * dimensions * 4 + at);
      if (bytesRead === 0)
        throw new TerminalError('data_loss', `vectors: ${path} ends too early; build the index anew`);
      at += bytesRead;
    }
    checksum = crc32(view, checksum);
    blocks.push(new Float32Array(memory));
  }
  if (checksum !== expected) {
    throw new TerminalError(
      'data_loss',
      `vectors: ${path} is damaged: its CRC-32 is ${checksum}, its manifest says ${expected}; build the index anew`,
    );
  }
  return blocks;
}
