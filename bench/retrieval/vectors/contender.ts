/** The vectors of all passages, one after the other. */
export interface Vectors {
  readonly values: Float32Array<ArrayBuffer>;
  readonly count: number;
  readonly dimensions: number;
  /** For files of the contender, empty. */
  readonly directory: string;
}

/** Positions of the nearest passages, a list a query, best first. */
export type Found = readonly ArrayLike<number | bigint>[];

/** A library, or one of its methods, with an index built. */
export interface Contender {
  /** `queries` holds their vectors one after the other. */
  search(queries: Float32Array<ArrayBuffer>, k: number): Promise<Found> | Found;
  /** Whether queries that come together cost less than each alone. */
  readonly batches: boolean;
}

export interface ContenderKind {
  readonly name: string;
  readonly exact: boolean;
  /** Those a search may use. */
  readonly threads: number | 'all';
  build(vectors: Vectors): Promise<Contender>;
}
