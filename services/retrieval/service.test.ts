import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { createGrpcClient, type GrpcClient } from '#platform/grpc/client.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { createLifecycle, type Lifecycle } from '#platform/runtime/lifecycle.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics, type Metrics } from '#platform/telemetry/metrics.ts';
import { retrievalConfig } from './config.ts';
import { startRetrieval } from './service.ts';

const log = createLogger({ service: 'retrieval', level: 'silent' });

function contextOf(lifecycle: Lifecycle, metrics: Metrics): ServiceContext {
  return {
    name: 'retrieval',
    log,
    metrics,
    signal: lifecycle.signal,
    defer: (what, dispose) => lifecycle.defer(what, dispose),
    fail: (error) => lifecycle.fail(error),
  };
}

const pages = [
  {
    id: '0007',
    title: 'Halvard Brontley',
    text: `Halvard Brontley was born in Norwick Vale. ${'He wrote books. '.repeat(30)}`,
  },
  { id: '0003', title: 'Norwick Vale', text: 'Norwick Vale is a town in Estmark Dell.' },
  { id: '0001', title: 'Estmark Dell', text: 'Estmark Dell is a country. Its capital is Norwick Vale.' },
  { id: '0009', title: 'Blank', text: '' },
];

describe('the retrieval service over gRPC', () => {
  const lifecycle = createLifecycle(log);
  const metrics = createMetrics();
  let retrieval: GrpcClient<typeof RetrievalService>;
  let directory = '';

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gradus-retrieval-'));
    const corpus = join(directory, 'corpus.jsonl');
    await writeFile(corpus, pages.map((page) => JSON.stringify(page)).join('\n'));
    const ctx = contextOf(lifecycle, metrics);
    const { grpc } = await startRetrieval(loadConfig(retrievalConfig, { argv: ['--corpus', corpus] }), ctx);
    retrieval = createGrpcClient(RetrievalService, grpc, { timeoutMs: 60_000 });
    lifecycle.serving();
  });

  afterAll(async () => {
    retrieval.close();
    lifecycle.stop('the test is over');
    await lifecycle.drain(5_000);
    await rm(directory, { recursive: true });
  });

  test('fetch returns the document that search found, whole', async () => {
    const { results, indexVersion } = await retrieval.search({
      queries: ['Where was Halvard Brontley born?'],
      topK: 2,
    });
    const hit = results[0]?.hits[0];
    expect(hit).toMatchObject({ id: '0007', title: 'Halvard Brontley' });
    expect(hit?.preview).toMatch(/^Halvard Brontley was born in Norwick Vale\..*\.$/);
    expect(hit?.preview.length).toBeLessThanOrEqual(150);
    expect(hit?.score).toBeGreaterThan(0);
    expect(indexVersion).toMatch(/^[0-9a-f]{64}$/);
    const { documents } = await retrieval.fetch({ ids: [hit?.id ?? ''] });
    expect(documents).toMatchObject([pages[0]]);
  });

  test('every hit of every query can be fetched, and the results stand in the order asked', async () => {
    const queries = ['capital Norwick Vale', '???', 'Halvard', 'nothing-known-here', 'Estmark'];
    const { results } = await retrieval.search({ queries });
    expect(results.map(({ hits }) => hits.map(({ id }) => id))).toEqual([
      ['0001', '0003', '0007'],
      [],
      ['0007'],
      [],
      ['0001', '0003'],
    ]);
    const ids = [...new Set(results.flatMap(({ hits }) => hits.map(({ id }) => id)))];
    const { documents, missingIds } = await retrieval.fetch({ ids });
    expect(documents.map(({ id }) => id)).toEqual(ids);
    expect(missingIds).toEqual([]);
  });

  test('fetch separates unknown ids and keeps the order', async () => {
    const answer = await retrieval.fetch({ ids: ['0009', 'doc_3', '0001', '', '0009'] });
    expect(answer.documents.map(({ id }) => id)).toEqual(['0009', '0001', '0009']);
    expect(answer.missingIds).toEqual(['doc_3', '']);
  });

  test('describe says what is served', async () => {
    expect(await retrieval.describe({})).toMatchObject({ documents: 4n, analyzer: 'standard', k1: 1.2, b: 0.75 });
  });

  test.each([
    ['no query', { queries: [] }, /queries: found 0; give 1 to 256/],
    ['too many queries', { queries: Array<string>(257).fill('x') }, /queries: found 257/],
    ['a query that is too long', { queries: ['fine', 'x'.repeat(8193)] }, /queries\[1\]: 8193 bytes long/],
    ['too many hits', { queries: ['x'], topK: 1001 }, /top_k: 1001; give 1 to 1000/],
  ])('search refuses %s', async (_, request, message) => {
    const failure = retrieval.search(request);
    await expect(failure).rejects.toMatchObject({ name: 'TerminalError', code: 'invalid_argument' });
    await expect(failure).rejects.toThrow(message);
  });

  test('fetch refuses none and too many ids', async () => {
    await expect(retrieval.fetch({ ids: [] })).rejects.toThrow(/ids: found 0/);
    await expect(retrieval.fetch({ ids: Array<string>(257).fill('a') })).rejects.toThrow(/ids: found 257/);
  });

  test('control characters, other scripts and 8 KiB of anything are ordinary queries', async () => {
    const queries = ['\u0000\u0001\u001b[31m', '東京 Привет', '_'.repeat(8192), 'vale '.repeat(1638), '"*:?()[]{}^~\\'];
    const { results } = await retrieval.search({ queries, topK: 1 });
    expect(results.map(({ hits }) => hits.length)).toEqual([0, 0, 0, 1, 0]);
  });

  test('500 calls at once all get their own answer', async () => {
    const names = pages.slice(0, 3).map(({ title }) => title);
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, call) => retrieval.search({ queries: [names[call % 3] ?? ''], topK: 1 })),
    );
    answers.forEach(({ results }, call) => expect(results[0]?.hits[0]?.title).toBe(names[call % 3]));
  });

  test('what happens is counted', async () => {
    const text = await metrics.render();
    expect(text).toMatch(/^gradus_retrieval_index_documents 4$/m);
    expect(text).toMatch(/^gradus_retrieval_queries_total\{hits="some"\} [1-9]/m);
    expect(text).toMatch(/^gradus_retrieval_fetches_total\{outcome="missing"\} 2$/m);
  });
});

test('a service whose corpus is missing does not start, and says which file', async () => {
  const lifecycle = createLifecycle(log);
  const ctx = contextOf(lifecycle, createMetrics());
  const config = loadConfig(retrievalConfig, { argv: ['--corpus', '/no/such/corpus.jsonl'] });
  await expect(startRetrieval(config, ctx)).rejects.toThrow('/no/such/corpus.jsonl: there is no such file');
});

test('an unknown analyzer, a b above 1 and a mistyped flag are refused by name', () => {
  const load = (...argv: string[]) => loadConfig(retrievalConfig, { argv: ['--corpus', 'x', ...argv] });
  expect(() => load('--analyzer', 'german')).toThrow(/analyzer/);
  expect(() => load('--b', '2')).toThrow(/b: /);
  expect(() => load('--analyser', 'english')).toThrow(/--analyser.*--analyzer/);
});

test.each([
  [[], /corpus: missing; set --corpus.*where no --index is given/],
  [['--corpus', 'x', '--rerank-to', '20'], /rerankTo: must be at most rerankFrom \(15\)/],
  [['--corpus', 'x', '--default-mode', 'dense'], /defaultMode: needs an encoder/],
  [['--corpus', 'x', '--default-rerank'], /defaultRerank: needs a cross-encoder/],
  [
    ['--corpus', 'x', '--chunk-words', '50', '--chunk-overlap', '26'],
    /chunkOverlap: must be at most half of chunkWords/,
  ],
  [['--corpus', 'x', '--chunk-overlap', '5'], /chunkOverlap: needs chunkWords/],
  [['--corpus', 'x', '--search-threads', '-1'], /searchThreads: /],
])('settings that do not go together are refused by name: %j', (argv, message) => {
  expect(() => loadConfig(retrievalConfig, { argv })).toThrow(message);
});
