import { afterAll, beforeAll, expect, test } from 'vitest';
import { startHttpApi, type RunningHttpApi } from './http-api.ts';

let api: RunningHttpApi;

beforeAll(async () => {
  api = await startHttpApi({}, (end) => afterAll(end));
});

test.each<[string, string, unknown, RegExp]>([
  [
    'a negative count',
    '/retrieve',
    { queries: ['x'], topk: -1 },
    /^topk: found the number -1; give a whole number from 1 to 1000, or 0 for 3$/,
  ],
  ['half a document', '/retrieve', { queries: ['x'], topk: 2.5 }, /^topk: found the number 2.5; give a whole number/],
  ['a count in words', '/retrieve', { queries: ['x'], topk: 'three' }, /^topk: found the string "three"/],
  ['a count past the bound', '/retrieve', { queries: ['x'], topk: 1001 }, /^topk: found the number 1001; .* 1 to 1000/],
  ['a negative Menlo count', '/retrieve', { queries: ['x'], topk_rerank: -3 }, /^topk_rerank: found the number -3/],
  [
    'queries that are one string',
    '/retrieve',
    { queries: 'x' },
    /^queries: found the string "x"; give a list of strings/,
  ],
  ['lists inside the list', '/retrieve', { queries: ['x', ['y']] }, /^queries\[1\]: found a list; give a string/],
  ['a null query', '/retrieve', { queries: [null] }, /^queries\[0\]: found null/],
  ['no queries', '/retrieve', {}, /^queries: found nothing; give a list of strings/],
  [
    'too many queries',
    '/retrieve',
    { queries: Array<string>(8_193).fill('x') },
    /^queries: found 8193; give at most 8192/,
  ],
  [
    'a flag that is none',
    '/retrieve',
    { queries: ['x'], return_scores: 'yes' },
    /^return_scores: found the string "yes"; give true or false/,
  ],
  ['a slip of the pen', '/retrieve', { queries: ['x'], top_k: 5 }, /^top_k: unknown; did you mean 'topk'\?/],
  ['a list for an object', '/retrieve', [], /^body: found a list; give a JSON object with queries/],
  ['null', '/search', null, /^body: found null/],
  ['an empty query', '/search', { query: '  ' }, /^query: empty/],
  ['a list for one query', '/search', { query: ['x'] }, /^query: found a list; give a string/],
  ['one query for a list', '/batch_search', { query: 'x' }, /^query: found the string "x"; give a list/],
  ['a negative top_n', '/batch_search', { query: ['x'], top_n: -5 }, /^top_n: found the number -5; .* or 0 for 10/],
  ['no url', '/visit', {}, /^url: found nothing; give a string/],
  ['an empty url', '/visit', { url: ' ' }, /^url: empty/],
  ['a huge url', '/visit', { url: 'x'.repeat(5_000) }, /^url: 5000 characters long/],
  ['a negative part', '/visit', { url: '3', part: -1 }, /^part: found -1/],
])('%s is refused with field, value and remedy', async (_, path, body, message) => {
  const answer = await api.post(path, body);
  expect(answer.status).toBe(400);
  expect(answer.body).toMatchObject({ code: 'invalid_argument', detail: expect.stringMatching(message) });
});

test('keys of other servers are no error', async () => {
  const body = { queries: ['Halvard'], topk: 1, source: 'wiki', user: { id: 7 }, __proto__: { topk: 9 } };
  expect((await api.post('/retrieve', body)).status).toBe(200);
});

test('an unknown document is 404, and says which', async () => {
  expect(await api.post('/visit', { url: 'doc_99' })).toMatchObject({
    status: 404,
    body: { code: 'not_found', detail: "url: the corpus has no document 'doc_99'; give an id that a search found" },
  });
});

test('broken JSON is 400, another content type 415, a body past the bound 413', async () => {
  const broken = await api.post('/retrieve', '', { body: '{"queries": [' });
  expect(broken).toMatchObject({ status: 400, body: { detail: expect.stringMatching(/^body: not JSON \(/) } });
  const empty = await api.post('/retrieve', '', { body: '' });
  expect(empty.status).toBe(400);
  const form = await api.post('/retrieve', '', { headers: { 'content-type': 'text/plain' }, body: '{}' });
  expect(form).toMatchObject({ status: 415, body: { detail: 'content-type: give application/json' } });
  const charset = { 'content-type': 'application/json; charset=utf-8' };
  expect((await api.post('/retrieve', { queries: [] }, { headers: charset })).status).toBe(200);
  const huge = await api.post('/retrieve', { queries: ['x'.repeat(17 * 1024 * 1024)] });
  expect(huge).toMatchObject({ status: 413, body: { detail: 'body: at most 16777216 bytes are read' } });
});

test('JSON that nests without end is refused like any other', async () => {
  const nested = '['.repeat(2_000_000);
  const open = await api.post('/retrieve', '', { body: nested });
  expect(open).toMatchObject({ status: 400, body: { detail: expect.stringMatching(/^body: .* more than 64 deep/) } });
  const closed = await api.post('/retrieve', '', { body: `{"queries":${nested}${']'.repeat(2_000_000)}}` });
  expect(closed.status).toBe(400);
});

test('a path that is not a route lists the routes; another method says which one', async () => {
  expect(await api.post('/retrive', {})).toMatchObject({
    status: 404,
    body: { detail: expect.stringContaining('there is no /retrive; routes: /retrieve, ') },
  });
  const get = await fetch(`${api.url}/retrieve?x=1`);
  expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
  expect((await api.post('/retrieve/', { queries: [] })).status).toBe(200);
});

test('JSON of a million keys is refused before it is parsed, and many unknown keys are no error', async () => {
  const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, 0]));
  expect(await api.post('/retrieve', keys(1_000_000))).toMatchObject({
    status: 400,
    body: { detail: 'body: holds 2000001 values; give at most 100000' },
  });
  const far = Object.fromEntries(Array.from({ length: 40_000 }, (_, at) => [`another key ${at}`, at]));
  expect((await api.post('/retrieve', { ...far, queries: [] })).status).toBe(200);
});

test('keys of any length are no slip of the pen', async () => {
  const long = Object.fromEntries(Array.from({ length: 64 }, (_, at) => [`${at}${'queries'.repeat(14_000)}`, at]));
  expect((await api.post('/retrieve', { ...long, queries: [] })).status).toBe(200);
});

test('a body that is not UTF-8 is refused: Latin-1 would be a search for other words', async () => {
  const body = Buffer.from('{"queries": ["São Paulo"]}', 'latin1');
  expect(await api.post('/retrieve', '', { body })).toMatchObject({
    status: 400,
    body: { detail: 'body: not UTF-8; encode it as UTF-8' },
  });
});

test('what is quoted of a bad value, path or link is short', async () => {
  const value = await api.post('/retrieve', { queries: 'x'.repeat(1_000_000) });
  expect(JSON.stringify(value.body).length).toBeLessThan(200);
  const path = await api.post(`/${'a'.repeat(10_000)}`, {});
  expect(path.status).toBe(404);
  expect(JSON.stringify(path.body).length).toBeLessThan(600);
  const link = await api.post('/visit', { url: 'y'.repeat(4_000) });
  expect(JSON.stringify(link.body).length).toBeLessThan(400);
});

test('an unknown path of nothing but slashes is 404', async () => {
  expect((await api.post(`/${'/'.repeat(15_000)}x`, {})).status).toBe(404);
  expect(await api.post(`/nothing${'/'.repeat(5_000)}`, {})).toMatchObject({
    body: { detail: expect.stringContaining('there is no /nothing; routes') },
  });
});
