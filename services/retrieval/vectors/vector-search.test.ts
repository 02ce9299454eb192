import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clusteredVectors } from '../../../tests/fixtures/clustered-vectors.ts';
import { blockPassages, startExactSearch } from './exact-search.ts';
import { openHnswSearch } from './hnsw-search.ts';
import type { Nearest } from './nearest.ts';
import { startVectorSearch, type VectorData } from './open-vectors.ts';
import { writeHnsw } from './write-hnsw.ts';

/** Every inner product in 64 bits, sorted: what search must find. */
function bruteForce(vectors: Float32Array, query: Float32Array, k: number): { passage: number; score: number }[] {
  const dimensions = query.length;
  const rows = Array.from({ length: vectors.length / dimensions }, (_, passage) => {
    let score = 0;
    for (let at = 0; at < dimensions; at += 1) score += (vectors[passage * dimensions + at] ?? 0) * (query[at] ?? 0);
    return { passage, score };
  });
  return rows.sort((a, b) => b.score - a.score || a.passage - b.passage).slice(0, k);
}

const inBlocks = (vectors: Float32Array, dimensions: number, rows: number): Float32Array[] =>
  Array.from({ length: Math.ceil(vectors.length / dimensions / rows) }, (_, block) =>
    vectors.slice(block * rows * dimensions, (block + 1) * rows * dimensions),
  );
const passagesOf = (nearest: readonly Nearest[]): number[][] => nearest.map(({ passages }) => [...passages]);

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'gradus-vectors-'));
});
afterAll(async () => await rm(scratch, { recursive: true }));

describe('exact search', () => {
  it('finds what comparing every vector finds, over several blocks, for one query and for many', async () => {
    const dimensions = 24;
    const passages = 1_000;
    const vectors = clusteredVectors(passages, dimensions);
    const queries = clusteredVectors(9, dimensions, { seed: 2 });
    const search = await startExactSearch({ passages, dimensions, blocks: inBlocks(vectors, dimensions, 300) }, 1);
    for (const k of [1, 10, 400, 1_000, 5_000]) {
      const found = await search.search(queries, k);
      for (const [at, nearest] of found.entries()) {
        const query = queries.slice(at * dimensions, (at + 1) * dimensions);
        const expected = bruteForce(vectors, query, k);
        expect(nearest.scores).toHaveLength(Math.min(k, passages));
        expected.forEach(({ score }, rank) => expect(nearest.scores[rank]).toBeCloseTo(score, 5));
        expect([...nearest.passages].slice(0, 10)).toEqual(expected.slice(0, 10).map(({ passage }) => passage));
      }
      const [alone] = await search.search(queries.slice(0, dimensions), k);
      expect([...(alone?.passages ?? [])].slice(0, 10)).toEqual([...(found[0]?.passages ?? [])].slice(0, 10));
    }
    expect(await search.search(new Float32Array(0), 5)).toEqual([]);
    await search.dispose();
  });

  it('gives equal scores in the order of the corpus, within blocks and over them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 45 }),
        fc.integer({ min: 1, max: 12 }),
        async (values, k, rows) => {
          const vectors = Float32Array.from(values.flatMap((value) => [value, 1]));
          const exact = { passages: values.length, dimensions: 2, blocks: inBlocks(vectors, 2, rows) };
          const search = await startExactSearch(exact, 1);
          const query = Float32Array.of(1, 0.5);
          const expected = bruteForce(vectors, query, k).map(({ passage }) => passage);
          expect(passagesOf(await search.search(query, k))).toEqual([expected]);
          await search.dispose();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('names what is wrong with a query', async () => {
    const exact = { passages: 2, dimensions: 2, blocks: [Float32Array.of(1, 0, 0, 1)] };
    const search = await startExactSearch(exact, 1);
    await expect(search.search(new Float32Array(3), 1)).rejects.toThrow(
      /3 numbers are no whole vectors of 2 dimensions/,
    );
    await expect(search.search(new Float32Array(2), 0)).rejects.toThrow(/k: give 1 or more, not 0/);
    await search.dispose();
  });
});

describe('approximate search', () => {
  const dimensions = 32;
  const passages = 3_000;
  const vectors = clusteredVectors(passages, dimensions);
  const queries = clusteredVectors(50, dimensions, { seed: 3 });

  async function built(scalar: 'f32' | 'f16'): Promise<VectorData & { readonly kind: 'hnsw' }> {
    const from = join(scratch, 'raw');
    const path = join(scratch, `hnsw-${scalar}`);
    await writeFile(from, new Uint8Array(vectors.buffer));
    await writeHnsw({ from, to: path, passages, dimensions, scalar });
    return { kind: 'hnsw', path, passages, dimensions, scalar, searchBreadth: 64 };
  }
  const recall = (found: readonly Nearest[]): number => {
    const hits = found.map(({ passages: given }, at) => {
      const wanted = bruteForce(vectors, queries.slice(at * dimensions, (at + 1) * dimensions), 10);
      return wanted.filter(({ passage }) => given.includes(passage)).length;
    });
    return hits.reduce((sum, count) => sum + count, 0) / (10 * found.length);
  };

  it.each([
    ['f32', 0.95],
    ['f16', 0.95],
  ] as const)('finds nearly all of the true ten nearest with numbers kept as %s', async (scalar, least) => {
    const search = openHnswSearch(await built(scalar));
    const found = await search.search(queries, 10);
    expect(found).toHaveLength(50);
    expect(recall(found)).toBeGreaterThan(least);
    for (const { scores } of found) expect([...scores]).toEqual([...scores].sort((a, b) => b - a));
    const [first] = bruteForce(vectors, queries.slice(0, dimensions), 1);
    expect(found[0]?.scores[0]).toBeCloseTo(first?.score ?? NaN, scalar === 'f32' ? 5 : 2);
  });

  it('has the same links each time, as long as it is small', async () => {
    const { path } = await built('f32');
    const first = await readFile(path);
    await built('f32');
    expect((await readFile(path)).equals(first)).toBe(true);
  });

  it('looks at more when asked to, gives no more than there are, and says when the file is not what it should be', async () => {
    const data = await built('f32');
    const wide = openHnswSearch({ ...data, searchBreadth: 1_000 });
    expect(recall(await wide.search(queries, 10))).toBeGreaterThan(0.99);
    const [all] = await wide.search(queries.slice(0, dimensions), passages + 5);
    expect(all?.passages.length).toBeLessThanOrEqual(passages);
    expect(() => openHnswSearch({ ...data, dimensions: 16 })).toThrow(
      /has 3000 vectors of 32 dimensions, its manifest says 3000 of 16; build the index anew/,
    );
    await writeFile(join(scratch, 'garbage'), Buffer.alloc(5_000, 7));
    expect(() => openHnswSearch({ ...data, path: join(scratch, 'garbage') })).toThrow(/is damaged/);
  });

  it('serves two threads from the same file, and exact search from the same memory', async () => {
    const shared = new Float32Array(new SharedArrayBuffer(vectors.byteLength));
    shared.set(vectors);
    const exact: VectorData = { kind: 'exact', passages, dimensions, blocks: inShared(shared, dimensions) };
    for (const data of [await built('f32'), exact]) {
      const here = await startVectorSearch(data);
      const expected = passagesOf(await here.search(queries, 5));
      const there = await Promise.all([searchInThread(data, queries), searchInThread(data, queries)]);
      expect(there).toEqual([expected, expected]);
      await here.dispose();
    }
  });
});

/** One block, its memory shared. */
function inShared(vectors: Float32Array, dimensions: number): Float32Array[] {
  expect(vectors.length / dimensions).toBeLessThan(blockPassages);
  return [vectors];
}

async function searchInThread(data: VectorData, queries: Float32Array): Promise<unknown> {
  const worker = new Worker(new URL('../../../tests/fixtures/vector-search-thread.ts', import.meta.url), {
    workerData: { data, queries },
  });
  return await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
