import { TerminalError } from '#platform/errors.ts';
import { type Nearest, type VectorSearcher, queryCount } from './nearest.ts';
import type { VectorScalar } from './vectors-manifest.ts';
import { Index, MetricKind, ScalarKind } from 'usearch';

export interface HnswVectors {
  readonly passages: number;
  readonly dimensions: number;
  readonly scalar: VectorScalar;
  /** Mapped into memory, so that threads and processes share it. */
  readonly path: string;
  /** Candidates looked at: more find more of the true nearest, and take longer. */
  readonly searchBreadth: number;
}

/** Approximate nearest vectors by a graph. */
export function openHnswSearch({ path, passages, dimensions, scalar, searchBreadth }: HnswVectors): VectorSearcher {
  const index = createHnswIndex(dimensions, scalar, searchBreadth);
  try {
    index.view(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TerminalError('data_loss', `vectors: ${path} is damaged (${why}); build the index anew`, { cause });
  }
  if (index.dimensions() !== dimensions || index.size() !== passages) {
    throw new TerminalError(
      'data_loss',
      `vectors: ${path} has ${index.size()} vectors of ${index.dimensions()} dimensions, its manifest says ` +
        `${passages} of ${dimensions}; build the index anew`,
    );
  }
  return {
    passages,
    dimensions,
    async search(queries, limit) {
      const count = queryCount(queries, dimensions, limit);
      const k = Math.min(limit, passages);
      return Array.from({ length: count }, (_, query) => {
        // A copy, because the binding does not look at where in its buffer an array begins.
        const { keys, distances } = index.search(queries.slice(query * dimensions, (query + 1) * dimensions), k, 1);
        return sorted(keys, distances);
      });
    },
    dispose: async () => undefined,
  };
}

function sorted(keys: BigUint64Array, distances: Float32Array): Nearest {
  // The metric is 1 - inner product.
  const rows = Array.from(keys, (key, at) => ({ passage: Number(key), score: 1 - (distances[at] ?? 0) }));
  rows.sort((a, b) => b.score - a.score || a.passage - b.passage);
  return {
    passages: Uint32Array.from(rows, ({ passage }) => passage),
    scores: Float64Array.from(rows, ({ score }) => score),
  };
}

const scalarKinds: Readonly<Record<VectorScalar, ScalarKind>> = {
  f32: ScalarKind.F32,
  f16: ScalarKind.F16,
};

/** Neighbours a vector keeps; candidates looked at while building: what HNSW implementations commonly default to. */
const connectivity = 16;
const expansionAdd = 128;

/** An empty index. Nothing but `searchBreadth` matters once a file is opened into it. */
export function createHnswIndex(dimensions: number, scalar: VectorScalar, searchBreadth: number): Index {
  return new Index({
    dimensions,
    metric: MetricKind.IP,
    quantization: scalarKinds[scalar],
    connectivity,
    expansion_add: expansionAdd,
    expansion_search: searchBreadth,
    multi: false,
  });
}
