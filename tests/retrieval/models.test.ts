import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { SearchMode } from '#proto/retrieval/v1/retrieval_pb.ts';
import { buildIndex } from '../../services/retrieval/index/build-index.ts';
import { openCrossEncoder } from '../../services/retrieval/models/cross-encoder.ts';
import { openEncoder } from '../../services/retrieval/models/encoder.ts';
import { hubSettingsFrom } from '../../services/retrieval/models/hub-settings.ts';
import { buildVectors } from '../../services/retrieval/vectors/build-vectors.ts';
import { buildTimeoutMs, tinyEncoders, type TinyEncoders } from '../fixtures/tiny-encoders/tiny-encoders.ts';
import { startRetrievalService } from './service.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const hub = hubSettingsFrom({ HF_HUB_OFFLINE: '1' });
const words = ['river', 'town', 'bridge', 'company', 'founded', 'built', 'where', 'word', 'two', 'passage'];
const pages = Array.from({ length: 60 }, (_, at) => ({
  id: `p${at}`,
  title: `${words[at % 10]}`,
  text: `the ${words[(at * 7) % 10]} of ${words[(at * 3) % 10]} ${words[at % 7]} ${'on '.repeat(at % 6)}`.trim(),
}));
const readText = (at: number): string => `${pages[at]?.title}\n${pages[at]?.text}`;
const query = 'where is the bridge';

let tiny: TinyEncoders;
beforeAll(async () => {
  tiny = await tinyEncoders();
}, 2 * buildTimeoutMs);

async function writeCorpus(): Promise<string> {
  const corpus = join(await temporaryDirectory(), 'corpus.jsonl');
  await writeFile(corpus, pages.map((page) => JSON.stringify(page)).join('\n'));
  return corpus;
}

/** All pages with their inner products with the query, best first, computed here. */
async function nearestByHand(): Promise<{ id: string; score: number }[]> {
  const encoder = await openEncoder(tiny.encoder, { hub, threads: 1 });
  try {
    const { dimensions } = encoder;
    const asked = await encoder.encode([query], 'query');
    const vectors = await encoder.encode(
      pages.map((_, at) => readText(at)),
      'passage',
    );
    const product = (at: number): number =>
      asked.reduce((sum, value, index) => sum + value * (vectors[at * dimensions + index] ?? 0), 0);
    return pages.map(({ id }, at) => ({ id, score: product(at) })).toSorted((a, b) => b.score - a.score);
  } finally {
    await encoder.dispose();
  }
}

test('searches by vectors and by both give what encoder and fusion give by hand', async () => {
  const corpus = await writeCorpus();
  const { client } = await startRetrievalService('--corpus', corpus, '--encoder', tiny.encoder, '--model-threads', '1');
  expect(await client.describe({})).toMatchObject({
    defaultMode: SearchMode.HYBRID,
    missing: [],
    defaultRerank: false,
  });
  const expected = await nearestByHand();

  const dense = await client.search({ queries: [query, query], topK: 8, mode: SearchMode.DENSE });
  expect(dense).toMatchObject({ mode: SearchMode.DENSE, reranked: false });
  for (const { hits } of dense.results) {
    expect(hits.map(({ score }) => score)).toEqual(expected.slice(0, 8).map(({ score }) => expect.closeTo(score, 4)));
  }

  const lexical = await client.search({ queries: [query], topK: 60, mode: SearchMode.LEXICAL });
  const all = await client.search({ queries: [query], topK: 60, mode: SearchMode.DENSE });
  const hybrid = await client.search({ queries: [query], topK: 5 });
  expect(hybrid.mode).toBe(SearchMode.HYBRID);
  const scores = new Map<string, number>();
  for (const list of [lexical, all]) {
    list.results[0]?.hits.forEach(({ id }, rank) => scores.set(id, (scores.get(id) ?? 0) + 1 / (61 + rank)));
  }
  const best = [...scores.values()].toSorted((a, b) => b - a).slice(0, 5);
  expect(hybrid.results[0]?.hits.map(({ score }) => score)).toEqual(best.map((score) => expect.closeTo(score, 9)));
});

test('a cross-encoder orders the best 15 anew and gives 10, unless the settings say otherwise', async () => {
  const corpus = await writeCorpus();
  const { client, metric } = await startRetrievalService(
    '--corpus',
    corpus,
    '--reranker',
    tiny.crossEncoder,
    '--model-threads',
    '1',
  );
  const candidates = await client.search({ queries: [query], topK: 15, rerank: false, withText: true });
  expect(candidates).toMatchObject({ reranked: false, mode: SearchMode.LEXICAL });
  const crossEncoder = await openCrossEncoder(tiny.crossEncoder, { hub, threads: 1 });
  const hits = candidates.results[0]?.hits ?? [];
  const logits = await crossEncoder.score(
    query,
    hits.map(({ title, text }) => `${title}\n${text}`),
  );
  await crossEncoder.dispose();
  const expected = hits
    .map(({ id }, at) => ({ id, score: logits[at] ?? NaN }))
    .toSorted((a, b) => b.score - a.score)
    .slice(0, 10);

  const { results, reranked } = await client.search({ queries: [query], topK: 100 });
  expect(reranked).toBe(true);
  expect(results[0]?.hits.map(({ score }) => score)).toEqual(expected.map(({ score }) => expect.closeTo(score, 4)));
  expect(results[0]?.hits.map(({ text }) => text)).toEqual(Array(10).fill(''));
  const three = await client.search({ queries: [query], topK: 3, withText: true });
  expect(three.results[0]?.hits.map(({ id }) => id)).toEqual(results[0]?.hits.slice(0, 3).map(({ id }) => id));
  expect(three.results[0]?.hits.every(({ text }) => text !== '')).toBe(true);
  expect(await metric('gradus_retrieval_stage_seconds_count{stage="rerank"}')).toBe(2);
});

test('300 callers at once share batches of the models, and each gets its own answer', async () => {
  const corpus = await writeCorpus();
  const { client } = await startRetrievalService(
    '--corpus',
    corpus,
    '--encoder',
    tiny.encoder,
    '--reranker',
    tiny.crossEncoder,
    '--model-threads',
    '1',
  );
  const queries = Array.from({ length: 300 }, (_, at) => `${words[at % 10]} ${words[(at * 3) % 7]} ${at}`);
  const together = await Promise.all(queries.map((one) => client.search({ queries: [one], topK: 4 })));
  for (const at of [0, 77, 299]) {
    const alone = await client.search({ queries: [`${queries[at]} `], topK: 4 });
    const scoresOf = ({ results }: typeof alone) => results[0]?.hits.map(({ score }) => score);
    expect(scoresOf(together[at] ?? alone)).toEqual(scoresOf(alone)?.map((score) => expect.closeTo(score, 4)));
  }
  expect(together.every(({ reranked, mode }) => reranked && mode === SearchMode.HYBRID)).toBe(true);
});

test('models without weights are reported, words are searched, and a client that asks for more gets the reason', async () => {
  const corpus = await writeCorpus();
  const { client } = await startRetrievalService(
    '--corpus',
    corpus,
    '--encoder',
    '/no/such/encoder',
    '--default-mode',
    'dense',
    '--reranker',
    'nobody/no-such-model',
  );
  const described = await client.describe({});
  expect(described).toMatchObject({ defaultMode: SearchMode.LEXICAL, defaultRerank: false, encoder: '', reranker: '' });
  expect(described.missing).toEqual([
    expect.stringMatching(/\/no\/such\/encoder/),
    expect.stringMatching(/nobody\/no-such-model/),
  ]);
  expect(await client.search({ queries: [query] })).toMatchObject({ mode: SearchMode.LEXICAL, reranked: false });
  const dense = client.search({ queries: [query], mode: SearchMode.HYBRID });
  await expect(dense).rejects.toMatchObject({ code: 'failed_precondition' });
  await expect(dense).rejects.toThrow(/mode: hybrid cannot be served: .*\/no\/such\/encoder/);
  await expect(client.search({ queries: [query], rerank: true })).rejects.toThrow(/rerank: .*nobody\/no-such-model/);
});

test('P9: with require-models a service whose models or vectors are missing does not start, and says all that is', async () => {
  const corpus = await writeCorpus();
  const required = ['--require-models', 'true', '--encoder'];
  await expect(
    startRetrievalService('--corpus', corpus, ...required, '/no/such/encoder', '--reranker', 'nobody/no-such-model'),
  ).rejects.toThrow(/\/no\/such\/encoder.*; .*nobody\/no-such-model/);
  const directory = join(await temporaryDirectory(), 'index');
  await buildIndex({ corpusPath: corpus, directory, settings: {} });
  await expect(startRetrievalService('--index', directory, ...required, tiny.encoder)).rejects.toThrow(/no vectors/);
  const { client } = await startRetrievalService('--corpus', corpus, ...required, tiny.encoder);
  expect((await client.describe({})).missing).toEqual([]);
});

test('queries are encoded as the vectors of the index were, whatever the files of the model say', async () => {
  const corpus = await writeCorpus();
  const directory = join(await temporaryDirectory(), 'index');
  await buildIndex({ corpusPath: corpus, directory, settings: {} });
  const settings = { queryPrefix: 'otherwise: ', pooling: 'cls' as const };
  const encoder = await openEncoder(tiny.encoder, { hub, threads: 1, settings });
  await buildVectors(directory, encoder, { kind: 'exact' });
  await encoder.dispose();
  const { client } = await startRetrievalService('--index', directory, '--encoder', tiny.encoder);
  expect(await client.search({ queries: [query] })).toMatchObject({ mode: SearchMode.HYBRID });
});

test('an index gains vectors by a reload, and vectors of another encoder are refused', async () => {
  const corpus = await writeCorpus();
  const directory = join(await temporaryDirectory(), 'index');
  await buildIndex({ corpusPath: corpus, directory, settings: {} });
  const { client } = await startRetrievalService(
    '--index',
    directory,
    '--encoder',
    tiny.encoder,
    '--model-threads',
    '1',
  );
  expect((await client.describe({})).missing).toEqual([expect.stringMatching(/no vectors.*gradus index build/)]);
  const encoder = await openEncoder(tiny.encoder, { hub, threads: 1 });
  await buildVectors(directory, encoder, { kind: 'hnsw' });
  const { oldIndexVersion, newIndexVersion } = await client.reload({});
  expect(newIndexVersion).not.toBe(oldIndexVersion);
  expect(await client.search({ queries: [query] })).toMatchObject({ mode: SearchMode.HYBRID });
  await encoder.dispose();

  await expect(startRetrievalService('--index', directory, '--encoder', tiny.crossEncoder)).rejects.toThrow(
    /encoder: the vectors .* \(weightsSha256/,
  );
});
