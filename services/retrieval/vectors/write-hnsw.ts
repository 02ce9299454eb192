import { open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { TerminalError, throwIfCancelled } from '#platform/errors.ts';
import { createHnswIndex } from './hnsw-search.ts';
import type { VectorScalar } from './vectors-manifest.ts';

export interface WriteHnswOptions {
  /** File of 32-bit floats, a vector after the other. */
  readonly from: string;
  readonly to: string;
  readonly passages: number;
  readonly dimensions: number;
  readonly scalar: VectorScalar;
  readonly onProgress?: ((passages: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The library adds a chunk without giving the thread back. */
const chunkPassages = 512;

/**
 * Up to so many one processor links all, which takes seconds. Several at once now and then leave a vector that no other one
 * links to, and no search finds: up to 9 of 500 hits were missing of graphs over 3,000 vectors, built by four.
 */
const mostLinkedByOne = 8_192;

/** Builds the graph over all vectors and saves it. A large one uses all processors: two builds may differ in their links. */
export async function writeHnsw(options: WriteHnswOptions): Promise<void> {
  const { from, to, passages, dimensions, scalar, onProgress, signal } = options;
  const index = createHnswIndex(dimensions, scalar, 128);
  const threads = passages <= mostLinkedByOne ? 1 : availableParallelism();
  await using file = await open(from);
  for (let first = 0; first < passages; first += chunkPassages) {
    throwIfCancelled(signal);
    const count = Math.min(chunkPassages, passages - first);
    const chunk = new Float32Array(count * dimensions);
    const { bytesRead } = await file.read(new Uint8Array(chunk.buffer), 0, chunk.byteLength, first * dimensions * 4);
    if (bytesRead !== chunk.byteLength) throw new TerminalError('data_loss', `vectors: ${from} ends too early`);
    const keys = BigUint64Array.from({ length: count }, (_, at) => BigInt(first + at));
    index.add(keys, chunk, Math.min(count, threads));
    onProgress?.(first + count);
  }
  index.save(to);
}
