import { Index, MetricKind, ScalarKind } from 'usearch';
import type { VectorScalar } from './vectors-manifest.ts';

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
