import { TerminalError } from '#platform/errors.ts';

/** Passages nearest to one query: best first, equals in the order of the corpus. */
export interface Nearest {
  readonly passages: Uint32Array;
  /** Inner products. */
  readonly scores: Float64Array;
}

/** Finds vectors near to a query's. Used by one thread; others open their own over the same data. */
export interface VectorSearcher {
  readonly passages: number;
  readonly dimensions: number;
  /** One list a query; `queries` holds their vectors one after the other. At most `k` each. */
  search(queries: Float32Array, k: number): Promise<readonly Nearest[]>;
  dispose(): Promise<void>;
}

/** How many vectors lie in `queries`. Throws unless they are whole and k makes sense. */
export function queryCount(queries: Float32Array, dimensions: number, k: number): number {
  const count = queries.length / dimensions;
  if (!Number.isInteger(count)) {
    throw new TerminalError(
      'invalid_argument',
      `queries: ${queries.length} numbers are no whole vectors of ${dimensions} dimensions; use the index's encoder`,
    );
  }
  if (!Number.isInteger(k) || k < 1) throw new TerminalError('invalid_argument', `k: give 1 or more, not ${k}`);
  return count;
}
