import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exactSearch, MetricKind } from 'usearch';
import { blockPassages, startExactSearch } from '../../../services/retrieval/vectors/exact-search.ts';
import { openHnswSearch } from '../../../services/retrieval/vectors/hnsw-search.ts';
import type { VectorScalar } from '../../../services/retrieval/vectors/vectors-manifest.ts';
import { writeHnsw } from '../../../services/retrieval/vectors/write-hnsw.ts';
import type { ContenderKind } from './contender.ts';

/** What this service does, and what it could do with what it has. */
export const ownContenders: readonly ContenderKind[] = [
  {
    name: 'exact: onnxruntime Gemm + TopK (this service)',
    exact: true,
    threads: 1,
    build: async ({ values, count, dimensions }) => {
      const size = blockPassages * dimensions;
      const blocks = Array.from({ length: Math.ceil(values.length / size) }, (_, at) => {
        const part = values.subarray(at * size, (at + 1) * size);
        const shared = new Float32Array(new SharedArrayBuffer(part.byteLength));
        shared.set(part);
        return shared;
      });
      const search = await startExactSearch({ passages: count, dimensions, blocks }, 1);
      return {
        batches: true,
        search: async (queries, k) => (await search.search(queries, k)).map(({ passages }) => passages),
      };
    },
  },
  {
    name: 'exact: usearch exactSearch',
    exact: true,
    threads: 1,
    build: async ({ values, dimensions }) => ({
      batches: true,
      search: (queries, k) => {
        const { keys } = exactSearch(values, queries, dimensions, k, MetricKind.IP, 1);
        return Array.from({ length: queries.length / dimensions }, (_, at) => keys.subarray(at * k, (at + 1) * k));
      },
    }),
  },
  {
    name: 'exact: plain JavaScript',
    exact: true,
    threads: 1,
    build: async ({ values, count, dimensions }) => ({
      batches: false,
      search: (queries, k) => {
        const scores = new Float64Array(count);
        for (let row = 0; row < count; row += 1) {
          let score = 0;
          for (let at = 0; at < dimensions; at += 1) score += (values[row * dimensions + at] ?? 0) * (queries[at] ?? 0);
          scores[row] = score;
        }
        const order = Uint32Array.from(scores, (_, at) => at);
        return [order.sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0)).subarray(0, k)];
      },
    }),
  },
  hnsw('f32', 64),
  hnsw('f32', 128),
  hnsw('f16', 128),
];

function hnsw(scalar: VectorScalar, searchBreadth: number): ContenderKind {
  return {
    name: `HNSW: usearch, M 16, ef 128/${searchBreadth}, ${scalar} (this service)`,
    exact: false,
    threads: 1,
    build: async ({ values, count: passages, dimensions, directory }) => {
      const from = join(directory, 'raw');
      const path = join(directory, 'hnsw');
      await writeFile(from, new Uint8Array(values.buffer));
      await writeHnsw({ from, to: path, passages, dimensions, scalar });
      const search = openHnswSearch({ path, passages, dimensions, scalar, searchBreadth });
      return {
        batches: false,
        search: async (queries, k) => (await search.search(queries, k)).map((nearest) => nearest.passages),
      };
    },
  };
}
