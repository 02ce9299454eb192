/**
 * Queries a second of the retrieval service: inside one process, and over gRPC to a service of its own at several
 * numbers of concurrent clients. JSON on stdout.
 *
 *     npx node bench/retrieval.ts [--corpus FILE] [--questions FILE] [--seconds N] [--analyzer standard|english]
 *
 * Questions are MuSiQue rows; every answer is compared with the one found in the process.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { createGrpcClient, type GrpcClient } from '#shared/grpc/client.ts';
import { analyzerNames, createAnalyzer } from '../services/retrieval/analyzer/analyzer.ts';
import { loadCorpus } from '../services/retrieval/corpus/load-corpus.ts';
import { indexCorpus } from '../services/retrieval/index/index-corpus.ts';
import { createLibrary, type Library } from '../services/retrieval/library.ts';
import { machineFacts } from './machine-facts.ts';

const root = join(import.meta.dirname, '..');
const data = join(root, '../shared/data/musique');
const topK = 10;

const { values } = parseArgs({
  options: {
    corpus: { type: 'string', default: join(data, 'corpus.jsonl') },
    questions: { type: 'string', default: join(data, 'musique_ans_train_sample.jsonl') },
    seconds: { type: 'string', default: '3' },
    analyzer: { type: 'string', default: 'standard' },
  },
});
const analyzer = z.enum(analyzerNames).parse(values.analyzer);
const seconds = z.coerce.number().positive().parse(values.seconds);
const row = z.object({ question: z.string() });
const queries = readFileSync(values.questions, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => row.parse(JSON.parse(line)).question);

interface Rate {
  readonly queriesPerSecond: number;
  /** Of the process that searches; does not suffer from what else runs on the machine. */
  readonly queriesPerCpuSecond: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

function rateOf(latenciesMs: readonly number[], elapsedMs: number, cpuSeconds: number): Rate {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  const at = (share: number): number => Number((sorted[Math.floor(share * (sorted.length - 1))] ?? NaN).toFixed(3));
  return {
    queriesPerSecond: Math.round((sorted.length / elapsedMs) * 1000),
    queriesPerCpuSecond: Math.round(sorted.length / cpuSeconds),
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
  };
}

const queryAt = (call: number): string => queries[call % queries.length] ?? '';

function measureInProcess(library: Library): Rate {
  const latencies: number[] = [];
  for (const query of queries) library.search(query, topK);
  const started = performance.now();
  const cpuBefore = process.cpuUsage();
  while (performance.now() - started < seconds * 1000) {
    const before = performance.now();
    library.search(queryAt(latencies.length), topK);
    latencies.push(performance.now() - before);
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  return rateOf(latencies, performance.now() - started, (user + system) / 1e6);
}

async function measureGrpc(
  retrieval: GrpcClient<typeof RetrievalService>,
  expected: ReadonlyMap<string, string>,
  clients: number,
  cpuSecondsOfService: () => Promise<number>,
): Promise<Rate & { clients: number; errors: number; wrongAnswers: number }> {
  const latencies: number[] = [];
  let calls = 0;
  let errors = 0;
  let wrongAnswers = 0;
  const cpuBefore = await cpuSecondsOfService();
  const started = performance.now();
  const client = async (): Promise<void> => {
    while (performance.now() - started < seconds * 1000) {
      const query = queryAt((calls += 1));
      const before = performance.now();
      try {
        const { results } = await retrieval.search({ queries: [query], topK });
        latencies.push(performance.now() - before);
        if (results[0]?.hits.map(({ id }) => id).join() !== expected.get(query)) wrongAnswers += 1;
      } catch {
        errors += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  const elapsedMs = performance.now() - started;
  const cpuSeconds = (await cpuSecondsOfService()) - cpuBefore;
  return { clients, ...rateOf(latencies, elapsedMs, cpuSeconds), errors, wrongAnswers };
}

async function startService(): Promise<{ process: ChildProcess; address: string; metrics: string; startMs: number }> {
  const started = performance.now();
  const child = spawn(
    process.execPath,
    [
      join(root, 'services/retrieval/main.ts'),
      '--corpus',
      values.corpus,
      '--analyzer',
      analyzer,
      '--log-level',
      'warn',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  for await (const line of createInterface({ input: child.stdout })) {
    const bound = z.object({ grpc: z.string(), metrics: z.string() }).parse(JSON.parse(line));
    return { process: child, address: bound.grpc, metrics: bound.metrics, startMs: performance.now() - started };
  }
  throw new Error('the retrieval service ended before it served; its log is above');
}

async function cpuSecondsFrom(metrics: string): Promise<number> {
  const text = await (await fetch(`http://${metrics}/metrics`)).text();
  return Number(/^process_cpu_seconds_total (\S+)$/m.exec(text)?.[1] ?? NaN);
}

const machine = machineFacts();
const loading = performance.now();
const corpus = await loadCorpus(values.corpus);
const building = performance.now();
const index = indexCorpus(corpus, { analyzer: createAnalyzer(analyzer), k1: 1.2, b: 0.75 });
const built = performance.now();
const library = createLibrary(corpus, index);
const expected = new Map(
  queries.map((query) => [
    query,
    library
      .search(query, topK)
      .map(({ id }) => id)
      .join(),
  ]),
);

const inProcess = measureInProcess(library);
const service = await startService();
const retrieval = createGrpcClient(RetrievalService, service.address, { timeoutMs: 60_000 });
await retrieval.search({ queries: queries.slice(0, 256), topK });
const overGrpc = [];
for (const clients of [1, 50, 100, 500]) {
  overGrpc.push(await measureGrpc(retrieval, expected, clients, () => cpuSecondsFrom(service.metrics)));
}
retrieval.close();
service.process.kill('SIGTERM');
await once(service.process, 'exit');

const round = Math.round;
process.stdout.write(
  `${JSON.stringify(
    {
      bench: 'retrieval',
      machine,
      settings: { analyzer, k1: 1.2, b: 0.75, topK, seconds, questions: queries.length },
      index: {
        documents: index.documents,
        terms: index.terms,
        postings: index.postings,
        loadMs: round(building - loading),
        buildMs: round(built - building),
        serviceStartMs: round(service.startMs),
      },
      inProcess,
      overGrpc,
    },
    null,
    2,
  )}\n`,
);
