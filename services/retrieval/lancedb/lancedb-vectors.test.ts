import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@lancedb/lancedb';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { isGradusError } from '#platform/errors.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { createLifecycle } from '#platform/runtime/lifecycle.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { buildTimeoutMs, tinyEncoders } from '../../../tests/fixtures/tiny-encoders/tiny-encoders.ts';
import { retrievalConfig } from '../config.ts';
import { createRetrievalEvents } from '../events.ts';
import { runIndexTask } from '../index/index-task.ts';
import { vectorsRequestSchema } from '../vectors/add-vectors.ts';
import { hubSettingsFrom } from '../models/hub-settings.ts';
import { openRetriever } from '../open-retriever.ts';
import type { Retriever, SearchAnswer } from '../retriever.ts';
import { leastPartitionedRows } from './publish-index.ts';
import { buildsTable } from './table-schemas.ts';

const hub = hubSettingsFrom({ HF_HUB_OFFLINE: '1' });
const log = createLogger({ service: 'retrieval', level: 'silent' });
const topics = ['river', 'town', 'bridge', 'company', 'word', 'passage', 'founded', 'where', 'built', 'two'];
const topicOf = (at: number): string => topics[at % topics.length] ?? '';

let root = '';
let encoder = '';
let crossEncoder = '';
const stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gradus-lancedb-vectors-'));
  const tiny = await tinyEncoders();
  encoder = tiny.encoder;
  crossEncoder = tiny.crossEncoder;
}, 2 * buildTimeoutMs);
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function writeCorpus(pages: number): Promise<string> {
  const path = join(root, `${pages}.jsonl`);
  const rows = Array.from({ length: pages }, (_, at) => ({
    id: `p${at}`,
    title: `${topicOf(at)} ${at}`,
    // Of different lengths, so that hardly two scores are equal.
    text: `the ${topicOf(at >> 3)} of ${topicOf(at >> 5)} number ${at} ${'and '.repeat(at % 300)}`,
  }));
  await writeFile(path, rows.map((row) => JSON.stringify(row)).join('\n'));
  return path;
}

interface BuildChoices {
  readonly backend?: 'local' | 'lancedb';
  readonly encoder?: string;
  readonly kind?: 'exact' | 'hnsw';
}

/** As `gradus index build` does it. */
async function build(
  corpus: string,
  out: string,
  { backend = 'local', encoder: model, kind }: BuildChoices,
): Promise<void> {
  const vectors = model === undefined ? undefined : vectorsRequestSchema.parse({ encoder: model, kind });
  const task = { task: 'build', backend, corpus, out, replace: false, vectors } as const;
  const settings = {
    analyzer: 'standard',
    k1: 1.2,
    b: 0.75,
    titleBoost: 1,
    onBadLine: 'stop',
    memoryBytes: 2 ** 24,
  } as const;
  const { signal } = new AbortController();
  await runIndexTask({ ...task, settings }, { hub, onProgress: () => {}, signal });
}

async function open(...argv: readonly string[]): Promise<Retriever> {
  const lifecycle = createLifecycle(log);
  stops.push(async () => {
    lifecycle.stop('the test is over');
    await lifecycle.drain(10_000);
  });
  const metrics = createMetrics();
  const ctx = {
    name: 'retrieval',
    log,
    metrics,
    signal: lifecycle.signal,
    defer: lifecycle.defer,
    fail: lifecycle.fail,
  };
  const config = loadConfig(retrievalConfig, { argv });
  return await openRetriever(config, createRetrievalEvents(log, metrics), ctx, hub);
}

async function failureOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => 'nothing was thrown',
    (thrown: unknown) => thrown,
  );
  return isGradusError(error) ? `${error.code}: ${error.message}` : String(error);
}

const idsOf = ({ results }: SearchAnswer): string[][] => results.map((hits) => hits.map(({ id }) => id));
const queries = ['the river of the town number 77', 'a bridge', 'company founded where'];

describe('vectors in LanceDB', () => {
  test('give the hits of the local index, dense, hybrid and reranked', async () => {
    const corpus = await writeCorpus(300);
    const [directory, uri] = [join(root, 'local'), join(root, 'database')];
    await build(corpus, directory, { encoder });
    await build(corpus, uri, { encoder, backend: 'lancedb' });
    const models = ['--encoder', encoder, '--reranker', crossEncoder];
    const local = await open('--index', directory, ...models);
    const shared = await open('--backend', 'lancedb', '--uri', uri, ...models);
    expect(shared.describe()).toMatchObject({
      defaultMode: 'hybrid',
      defaultRerank: true,
      missing: [],
      backend: 'lancedb',
    });
    for (const mode of ['lexical', 'dense', 'hybrid'] as const) {
      for (const rerank of [false, true]) {
        const options = { topK: 5, mode, rerank, withText: true };
        const [here, there] = await Promise.all([local.search(queries, options), shared.search(queries, options)]);
        expect(there).toMatchObject({ mode, reranked: rerank });
        expect(idsOf(there)).toEqual(idsOf(here));
        there.results.forEach((hits, query) =>
          hits.forEach((hit, rank) => {
            expect(hit.score).toBeCloseTo(here.results[query]?.[rank]?.score ?? NaN, 4);
            expect(hit.text).toContain(`number ${hit.id.slice(1)}`);
          }),
        );
      }
    }
  });

  test('are searched through partitions in a large table, with nearly the hits of an exact search', async () => {
    const corpus = await writeCorpus(leastPartitionedRows + 100);
    const [exact, partitioned] = [join(root, 'exact'), join(root, 'partitioned')];
    await build(corpus, exact, { encoder, backend: 'lancedb' });
    await build(corpus, partitioned, { encoder, backend: 'lancedb', kind: 'hnsw' });
    const flags = (uri: string): string[] => ['--backend', 'lancedb', '--uri', uri, '--encoder', encoder];
    const [all, some] = [await open(...flags(exact)), await open(...flags(partitioned))];
    const options = { topK: 10, mode: 'dense' } as const;
    const [expected, found] = await Promise.all([all.search(queries, options), some.search(queries, options)]);
    const missed = idsOf(expected).flatMap((ids, query) => ids.filter((id) => !idsOf(found)[query]?.includes(id)));
    expect(missed.length).toBeLessThanOrEqual(3);
    expect(found.indexVersion).not.toBe(expected.indexVersion);
  });

  test('are compared with queries that are read as the passages were, whatever the model now says of itself', async () => {
    const uri = join(root, 'prefixes');
    await build(await writeCorpus(40), uri, { encoder, backend: 'lancedb' });
    const other = join(root, 'other-prefix');
    await copyWithOtherPrefix(encoder, other);
    const [one, same] = [
      await open('--backend', 'lancedb', '--uri', uri, '--encoder', encoder),
      await open('--backend', 'lancedb', '--uri', uri, '--encoder', other),
    ];
    const options = { topK: 5, mode: 'dense' } as const;
    expect((await same.search(queries, options)).results).toEqual((await one.search(queries, options)).results);
  });

  test('of another model are refused; without a model, or without vectors, words are served and it says why', async () => {
    const corpus = await writeCorpus(40);
    const [uri, words] = [join(root, 'forty'), join(root, 'words')];
    await build(corpus, uri, { encoder, backend: 'lancedb' });
    await build(corpus, words, { backend: 'lancedb' });
    const connection = await connect(uri);
    const builds = await connection.openTable(buildsTable);
    const [row] = await builds.query().toArray();
    const manifest = String(row.manifest).replace(/"weightsSha256":"\w+"/, `"weightsSha256":"${'0'.repeat(64)}"`);
    const right = await open('--backend', 'lancedb', '--uri', uri, '--encoder', encoder);
    await builds.add([{ sequence: 2, build: 'of other weights', manifest }]);
    const wrong = /^failed_precondition: encoder: the vectors of the index were made by .*weightsSha256/;
    expect(await failureOf(open('--backend', 'lancedb', '--uri', uri, '--encoder', encoder))).toMatch(wrong);
    expect(await failureOf(right.reload())).toMatch(wrong);
    expect(idsOf(await right.search(['number 7'], { topK: 1, mode: 'lexical' }))).toEqual([['p7']]);
    connection.close();
    const without = await open('--backend', 'lancedb', '--uri', uri);
    expect(without.describe()).toMatchObject({ defaultMode: 'lexical', encoder: '' });
    expect(await failureOf(without.search(['x'], { topK: 1, mode: 'dense' }))).toMatch(/no encoder is set up/);
    const lexical = await open('--backend', 'lancedb', '--uri', words, '--encoder', encoder);
    expect(lexical.describe()).toMatchObject({
      defaultMode: 'lexical',
      missing: [expect.stringMatching(/the index has no vectors; build it with/)],
    });
    expect(idsOf(await lexical.search(['number 7'], { topK: 1 }))).toEqual([['p7']]);
  });
});

/** The same weights, which read queries otherwise. */
async function copyWithOtherPrefix(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true });
  await writeFile(
    join(to, 'config_sentence_transformers.json'),
    JSON.stringify({ prompts: { query: 'another prefix: ', passage: 'passage: ' } }),
  );
}
