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
