import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { connect, Index } from '@lancedb/lancedb';
import type { Contender, ContenderKind, Vectors } from './contender.ts';

const breadth = 64;

const lance = (name: string, exact: boolean, index: (() => Index) | undefined): ContenderKind => ({
  name,
  exact,
  threads: 'all',
  build: async ({ values, count, dimensions, directory }) => {
    const database = await connect(directory);
    const rows = Array.from({ length: count }, (_, id) => ({
      id,
      vector: Array.from(values.subarray(id * dimensions, (id + 1) * dimensions)),
    }));
    const table = await database.createTable('vectors', rows);
    if (index !== undefined) await table.createIndex('vector', { config: index() });
    return {
      batches: false,
      search: async (queries, k) => {
        const query = table.vectorSearch(queries).distanceType('dot').select(['id', '_distance']).limit(k);
        const found: unknown = await (index === undefined ? query : query.nprobes(20).ef(breadth)).toArray();
        return [(found as { id: number }[]).map(({ id }) => id)];
      },
    };
  },
});

/** Of the project itself. */
export const lanceContenders: readonly ContenderKind[] = [
  lance('exact: LanceDB flat', true, undefined),
  lance('IVF + HNSW: LanceDB HNSW_SQ, ef 64', false, () =>
    Index.hnswSq({ distanceType: 'dot', m: 16, efConstruction: 128 }),
  ),
  lance('IVF: LanceDB IVF_PQ, 20 probes', false, () => Index.ivfPq({ distanceType: 'dot' })),
];

// The parts of these packages that are called here: they are not dependencies of the project.
interface HnswLib {
  readonly HierarchicalNSW: new (
    space: string,
    dimensions: number,
  ) => {
    initIndex(options: { maxElements: number; m: number; efConstruction: number }): void;
    setEf(ef: number): void;
    addPoint(vector: number[], label: number): void;
    searchKnn(vector: number[], k: number): { neighbors: number[] };
  };
}
interface ZvecCollection {
  insertSync(rows: readonly object[]): unknown;
  optimizeSync(): void;
  querySync(query: object): { id: string }[];
}
interface Zvec {
  readonly ZVecCollectionSchema: new (schema: object) => object;
  readonly ZVecCreateAndOpen: (path: string, schema: object) => ZvecCollection;
  readonly ZVecDataType: { readonly VECTOR_FP32: number };
  readonly ZVecIndexType: { readonly HNSW: number; readonly FLAT: number };
  readonly ZVecMetricType: { readonly IP: number };
}

/** Those found in DIRECTORY/node_modules: hnswlib-node and @zvec/zvec. */
export function contendersIn(directory: string): ContenderKind[] {
  const load = createRequire(join(resolve(directory), 'index.js'));
  const found: ContenderKind[] = [];
  const hnswlib = tryLoad(() => load('hnswlib-node')) as HnswLib | undefined;
  if (hnswlib !== undefined) {
    found.push({
      name: 'HNSW: hnswlib-node, M 16, ef 128/64',
      exact: false,
      threads: 1,
      build: async (vectors) => buildHnswLib(hnswlib, vectors),
    });
  }
  const zvec = tryLoad(() => load('@zvec/zvec')) as Zvec | undefined;
  if (zvec !== undefined) {
    for (const [name, exact] of [
      ['exact: zvec FLAT', true],
      ['HNSW: zvec, M 16, ef 128/64', false],
    ] as const) {
      found.push({ name, exact, threads: 'all', build: async (vectors) => buildZvec(zvec, vectors, exact) });
    }
  }
  return found;
}

function tryLoad(load: () => unknown): unknown {
  try {
    return load();
  } catch (error) {
    process.stderr.write(`left out: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}\n`);
    return undefined;
  }
}

function buildHnswLib({ HierarchicalNSW }: HnswLib, { values, count, dimensions }: Vectors): Contender {
  const index = new HierarchicalNSW('ip', dimensions);
  index.initIndex({ maxElements: count, m: 16, efConstruction: 128 });
  for (let row = 0; row < count; row += 1) {
    index.addPoint(Array.from(values.subarray(row * dimensions, (row + 1) * dimensions)), row);
  }
  index.setEf(breadth);
  return { batches: false, search: (query, k) => [index.searchKnn(Array.from(query), k).neighbors] };
}

function buildZvec(zvec: Zvec, { values, count, dimensions, directory }: Vectors, exact: boolean): Contender {
  const { FLAT, HNSW } = zvec.ZVecIndexType;
  const indexType = exact ? FLAT : HNSW;
  const collection = zvec.ZVecCreateAndOpen(
    join(directory, 'zvec'),
    new zvec.ZVecCollectionSchema({
      name: 'vectors',
      vectors: {
        name: 'vector',
        dataType: zvec.ZVecDataType.VECTOR_FP32,
        dimension: dimensions,
        indexParams: {
          indexType,
          metricType: zvec.ZVecMetricType.IP,
          ...(exact ? {} : { m: 16, efConstruction: 128 }),
        },
      },
    }),
  );
  for (let first = 0; first < count; first += 1_000) {
    const rows = Array.from({ length: Math.min(1_000, count - first) }, (_, at) => ({
      id: String(first + at),
      vectors: { vector: values.slice((first + at) * dimensions, (first + at + 1) * dimensions) },
    }));
    collection.insertSync(rows);
  }
  collection.optimizeSync();
  return {
    batches: false,
    search: (vector, topk) => {
      const params = exact ? {} : { params: { indexType, ef: breadth } };
      return [collection.querySync({ fieldName: 'vector', vector, topk, ...params }).map(({ id }) => Number(id))];
    },
  };
}
