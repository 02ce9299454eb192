import { afterAll, beforeAll, expect, test } from 'vitest';
import { startHttpApi, type RunningHttpApi } from './http-api.ts';

let api: RunningHttpApi;

beforeAll(async () => {
  api = await startHttpApi({}, (end) => afterAll(end));
});

const idsOf = (result: unknown): unknown =>
  Array.isArray(result)
    ? result.map((rows: unknown) => (Array.isArray(rows) ? rows.map((row: unknown) => Object(row).id) : rows))
    : result;

test.each([1, 2, 3])('rows without scores are the documents themselves, with %d queries', async (count) => {
  const queries = ['Halvard', 'Paris', 'capital'].slice(0, count);
  const { status, body } = await api.post('/retrieve', { queries, topk: 2, return_scores: false });
  expect(status).toBe(200);
  expect(idsOf(Object(body).result)).toEqual([['0007'], ['3'], ['12']].slice(0, count));
  expect(Object(body).result[0][0]).toEqual({
    id: '0007',
    doc_id: '0007',
    title: 'Halvard Brontley',
    text: 'Halvard Brontley was born in Norwick Vale.\nHe wrote books.',
    contents: '"Halvard Brontley"\nHalvard Brontley was born in Norwick Vale.\nHe wrote books.',
  });
});

test('a count beyond the corpus gives every document that matches once', async () => {
  const { body } = await api.post('/retrieve', { queries: ['Norwick Vale Estmark Dell town'], topk: 1000 });
  const [rows]: string[][] = [Object(body).result[0].map((row: unknown) => Object(row).id)];
  expect(rows?.toSorted()).toEqual(['0007', '12', '3', 'a b/ü']);
});

test('a query without hits keeps the others in their places', async () => {
  const queries = ['???', 'Halvard', '', 'zzz', 'Paris', '\u0000\u0007 東京 \ud83d'];
  const { status, body } = await api.post('/retrieve', { queries, topk: 1 });
  expect(status).toBe(200);
  expect(idsOf(Object(body).result)).toEqual([[], ['0007'], [], [], ['3'], []]);
});

test('a title in parentheses comes whole, one in quotes is not quoted twice, and none is an empty line', async () => {
  const quoted = { id: 'q', title: '"Evan Morris"', text: 'A lobbyist.' };
  const titled = { id: '3', title: 'Paris (city)', text: 'A town.' };
  const other = await startHttpApi({ pages: [quoted, titled, { id: '40', title: '', text: 'Untitled page.' }] });
  const { body } = await other.post('/retrieve', { queries: ['Paris', 'Evan Morris', 'untitled'] });
  expect(Object(body).result).toMatchObject([
    [{ title: 'Paris (city)', contents: '"Paris (city)"\nA town.' }],
    [{ title: 'Evan Morris', contents: '"Evan Morris"\nA lobbyist.' }],
    [{ title: '', contents: '""\nUntitled page.' }],
  ]);
});

test.each([
  [{ topk: null }, 3],
  [{ topk: 0 }, 3],
  [{}, 3],
  [{ topk: 2 }, 2],
  [{ topk_retrieval: 30, topk_rerank: 2 }, 2],
  [{ topk_retrieval: 1, topk_rerank: 3 }, 1],
  [{ topk_retrieval: null, topk_rerank: null }, 3],
  [{ topk_rerank: 4 }, 4],
])('%j gives %d documents', async (counts, expected) => {
  const { body } = await api.post('/retrieve', { queries: ['Norwick Vale Estmark Dell'], ...counts });
  expect(Object(body).result[0]).toHaveLength(expected);
});

test("a score stands next to the document for Search-R1's clients, and in the row for Menlo's", async () => {
  const asked = { queries: ['Halvard'], return_scores: true };
  const searchR1 = await api.post('/retrieve', { ...asked, topk: 1 });
  expect(searchR1.body).toMatchObject({ result: [[{ document: { id: '0007' }, score: expect.any(Number) }]] });
  const menlo = await api.post('/retrieve', { ...asked, topk_rerank: 1 });
  expect(menlo.body).toMatchObject({
    result: [[{ doc_id: '0007', title: 'Halvard Brontley', score: expect.any(Number) }]],
    processing_time: expect.any(Number),
  });
});

test('no query is an empty answer: a batch in which nobody searches', async () => {
  expect(await api.post('/retrieve', { queries: [] })).toMatchObject({ status: 200, body: { result: [] } });
  expect(await api.post('/batch_search', { query: [] })).toMatchObject({ status: 200, body: [] });
});

test('a batch larger than the retriever takes at once is answered in order', async () => {
  const queries = Array.from({ length: 2_561 }, (_, index) => (index % 3 === 0 ? 'Halvard' : `nothing${index}`));
  const { body } = await api.post('/retrieve', { queries });
  expect(idsOf(Object(body).result)).toEqual(queries.map((query) => (query === 'Halvard' ? ['0007'] : [])));
});

test('a query that is too long is cut between characters, and does not fail its batch', async () => {
  const queries = [`Halvard ${'😀'.repeat(100_000)}`, `${'x'.repeat(8_190)} Halvard`, 'Paris'];
  const { status, body } = await api.post('/retrieve', { queries, topk: 1 });
  expect(status).toBe(200);
  expect(idsOf(Object(body).result)).toEqual([['0007'], [], ['3']]);
});

test("ReCall's routes give bare lists, and with scores pairs of lists", async () => {
  const one = await api.post('/search', { query: 'Halvard', top_n: 2, return_score: false });
  expect(one.body).toMatchObject([{ id: '0007', contents: expect.stringMatching(/^"Halvard Brontley"\n/) }]);
  const scored = await api.post('/search', { query: 'Halvard', return_score: true });
  expect(scored.body).toMatchObject([[{ id: '0007' }], [expect.any(Number)]]);
  const many = await api.post('/batch_search', { query: ['Halvard', 'zzz', 'Paris'], top_n: 1 });
  expect(idsOf(many.body)).toEqual([['0007'], [], ['3']]);
  const both = await api.post('/batch_search', { query: ['zzz', 'Paris'], top_n: 1, return_score: true });
  expect(both.body).toMatchObject([
    [[], [{ id: '3' }]],
    [[], [expect.any(Number)]],
  ]);
});

test.each([
  '3',
  'doc_3',
  'doc:3',
  ' doc_3 ',
  'http://example.org/wiki/3',
  'https://example.org/page?id=3',
  'http://x/doc_3/',
])('visit gives the document that %j names', async (url) => {
  const { status, body } = await api.post('/visit', { url });
  expect(status).toBe(200);
  expect(body).toMatchObject({ result: [[{ id: '3', doc_id: '3', title: 'Paris (city)', part: 0, parts: 1 }]] });
});

test('an id with spaces and slashes is found by itself and by its link; an id that looks like a link wins', async () => {
  const other = await startHttpApi({
    pages: [
      { id: 'a b/ü', title: 'Odd', text: 'Odd.' },
      { id: 'doc_7', title: 'Named so', text: 'The page whose id is doc_7.' },
      { id: '7', title: 'Seven', text: 'Seven.' },
    ],
  });
  expect((await other.post('/visit', { url: 'a b/ü' })).body).toMatchObject({ result: [[{ title: 'Odd' }]] });
  expect((await other.post('/visit', { url: 'doc_a b/ü' })).body).toMatchObject({ result: [[{ title: 'Odd' }]] });
  expect((await other.post('/visit', { url: 'doc:a%20b%2F%C3%BC' })).body).toMatchObject({
    result: [[{ title: 'Odd' }]],
  });
  expect((await other.post('/visit', { url: 'doc_7' })).body).toMatchObject({ result: [[{ title: 'Named so' }]] });
  expect((await other.post('/visit', { url: 'doc_doc_7' })).body).toMatchObject({ result: [[{ title: 'Named so' }]] });
});

test('a document longer than a part comes in parts that join to the whole', async () => {
  const text = 'abcde fghi '.repeat(150_000);
  const other = await startHttpApi({ pages: [{ id: 'long', title: 'Long', text }] });
  const parts = await Promise.all([0, 1].map((part) => other.post('/visit', { url: 'doc_long', part })));
  expect(parts.map(({ body }) => Object(body).result[0][0].text).join('') === text).toBe(true);
  expect(parts[1]?.body).toMatchObject({ result: [[{ part: 1, parts: 2, characters: text.length }]] });
  const beyond = await other.post('/visit', { url: 'doc_long', part: 2 });
  expect(beyond).toMatchObject({ status: 400, body: { detail: "part: 2; document 'long' has the parts 0 to 1" } });
});

test('health, stats and the list of routes say what is served', async () => {
  const get = async (path: string): Promise<unknown> => await (await fetch(api.url + path)).json();
  expect(await get('/health')).toMatchObject({ status: 'healthy', pipeline_loaded: true });
  expect(await get('/stats')).toMatchObject({
    corpus_size: 5,
    index_size: 5,
    retriever_model: 'bm25',
    reranker_model: '',
    index_version: expect.stringMatching(/^[0-9a-f]{64}$/),
    analyzer: 'standard',
    k1: 1.2,
    b: 0.75,
  });
  expect(await get('/')).toMatchObject({ routes: expect.arrayContaining([expect.objectContaining({ path: '/mcp' })]) });
  const head = await fetch(`${api.url}/health`, { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
});
