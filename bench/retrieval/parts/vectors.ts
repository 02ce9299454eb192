/**
 * Libraries that find nearest vectors: exactly and approximately, one query at a time and in batches. MuSiQue's passages and
 * questions as vectors of their words (no weights needed).
 *
 *     npx node bench/retrieval.ts vectors [--dimensions 384,768] [--seconds 2] [--extra DIR] [--quick]
 *
 * `--extra DIR`: also hnswlib-node and @zvec/zvec where they are installed in DIR/node_modules.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { musiqueOrSynthetic } from '../corpora.ts';
import type { Contender, ContenderKind, Found, Vectors } from '../vectors/contender.ts';
import { contendersIn, lanceContenders } from '../vectors/other-contenders.ts';
import { ownContenders } from '../vectors/own-contenders.ts';
import { createWordVectors, readPassages } from '../vectors/word-vectors.ts';

const k = 10;
const batch = 32;

export async function vectors(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      dimensions: { type: 'string' },
      seconds: { type: 'string' },
      extra: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const milliseconds = 1000 * Number(values.seconds ?? (values.quick ? 0.3 : 2));
  const corpus = await musiqueOrSynthetic();
  const passages = readPassages(corpus.path);
  const kinds = [
    ...ownContenders,
    ...lanceContenders,
    ...(values.extra === undefined ? [] : contendersIn(values.extra)),
  ];
  const rows: object[] = [];
  for (const dimensions of (values.dimensions ?? (values.quick ? '384' : '384,768')).split(',').map(Number)) {
    const encode = createWordVectors(passages, dimensions);
    const all = Float32Array.from(encode(passages));
    const queries = Float32Array.from(encode(corpus.questions));
    let truth: Found = [];
    for (const kind of kinds) {
      const row = await measure(
        kind,
        { values: all, count: passages.length, dimensions },
        queries,
        truth,
        milliseconds,
      );
      if (truth.length === 0) truth = row.found;
      const { found: _, ...figures } = row;
      rows.push(figures);
      process.stderr.write(`${JSON.stringify(figures)}\n`);
    }
  }
  return { corpus: corpus.name, passages: passages.length, queries: corpus.questions.length, k, rows };
}

async function measure(
  kind: ContenderKind,
  passages: Omit<Vectors, 'directory'>,
  queries: Float32Array<ArrayBuffer>,
  truth: Found,
  milliseconds: number,
) {
  const { dimensions } = passages;
  const directory = await mkdtemp(join(tmpdir(), 'gradus-bench-vectors-'));
  try {
    const started = performance.now();
    const contender = await kind.build({ ...passages, directory });
    const buildMs = Math.round(performance.now() - started);
    const query = (at: number): Float32Array<ArrayBuffer> => queries.slice(at * dimensions, (at + 1) * dimensions);
    const found: ArrayLike<number | bigint>[] = [];
    for (let at = 0; at < queries.length / dimensions; at += 1) found.push(...(await contender.search(query(at), k)));
    const single = await timePerQuery(contender, queries, dimensions, 1, milliseconds);
    const batched = contender.batches
      ? await timePerQuery(contender, queries, dimensions, batch, milliseconds)
      : undefined;
    return {
      name: kind.name,
      dimensions,
      threads: kind.threads,
      buildMs,
      msPerQuery: single.ms,
      cpuMsPerQuery: single.cpuMs,
      ...(batched && { msPerQueryInBatchesOf32: batched.ms, cpuMsPerQueryInBatchesOf32: batched.cpuMs }),
      queriesPerSecond: Math.round(1000 / (batched ?? single).ms),
      recallAt10: truth.length === 0 ? 1 : recallOf(found, truth),
      found,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Milliseconds a query, by the clock and of all threads' processor time: the latter suffers little from other work. */
async function timePerQuery(
  contender: Contender,
  queries: Float32Array<ArrayBuffer>,
  dimensions: number,
  size: number,
  milliseconds: number,
): Promise<{ readonly ms: number; readonly cpuMs: number }> {
  const batches = Math.floor(queries.length / dimensions / size);
  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  let done = 0;
  while (performance.now() - started < milliseconds) {
    const from = (done / size) % batches;
    await contender.search(queries.slice(from * size * dimensions, (from + 1) * size * dimensions), k);
    done += size;
  }
  const perQuery = (total: number): number => Number((total / done).toPrecision(3));
  const { user, system } = process.cpuUsage(cpuBefore);
  return { ms: perQuery(performance.now() - started), cpuMs: perQuery((user + system) / 1000) };
}

function recallOf(found: Found, truth: Found): number {
  let hits = 0;
  for (const [at, wanted] of truth.entries()) {
    const given = new Set(Array.from(found[at] ?? [], Number));
    hits += Array.from(wanted, Number).filter((passage) => given.has(passage)).length;
  }
  return Number((hits / (k * truth.length)).toFixed(4));
}
