import { existsSync } from 'node:fs';
import { connect } from '@lancedb/lancedb';
import { beforeAll, describe, expect, test } from 'vitest';
import { failureOf, idsOf, long, rows, useLancedb, type Place } from '../../../tests/fixtures/lancedb-databases.ts';
import { lancedbFormatVersion } from './build-manifest.ts';
import { buildsTable } from './table-schemas.ts';

const { pathOf, placeOf, publish, open } = useLancedb();

describe('a published index', () => {
  let place: Place;
  beforeAll(async () => {
    place = await placeOf(rows);
    await publish(place);
  });

  test('finds words of any script, best first, with previews and, when asked for, text', async () => {
    const retriever = await open(place.uri);
    expect(await idsOf(retriever, 'red')).toEqual(['b', 'a']);
    expect(await idsOf(retriever, '永')).toEqual(['永']);
    const { results } = await retriever.search(['apple', 'SKY'], { topK: 1, withText: true });
    expect(results.map(([hit]) => hit)).toMatchObject([
      { id: 'a', title: 'Apple', preview: 'red apple', text: 'red apple', parentId: '' },
      { id: 'c"\n🎉', title: 'Party', preview: 'sky', text: 'sky' },
    ]);
    expect(retriever.describe()).toMatchObject({ backend: 'lancedb', documents: 5, passages: 5, k1: 1.2, b: 0.75 });
  });

  test('gives scores as Lucene computes them', async () => {
    const retriever = await open(place.uri);
    const { results } = await retriever.search(['wine'], { topK: 1 });
    // One passage of five holds it, twice among 4 words; the others have 3, 86, 2 and 5 words.
    const idf = Math.log(1 + (5 - 1 + 0.5) / (1 + 0.5));
    const meanLength = (3 + 4 + 86 + 2 + 5) / 5;
    const score = (idf * 2) / (2 + 1.2 * (0.25 + (0.75 * 4) / meanLength));
    expect(results[0]?.[0]?.score).toBeCloseTo(score, 5);
  });

  test.each(['', '   ', '...', 'unknown', '\u0000', "' OR 1=1 --", '"', '🎉'])(
    'finds nothing for %j, and harms nothing',
    async (query) => expect(await idsOf(await open(place.uri), query)).toEqual([]),
  );

  test('gives no more hits than there are, for a k far beyond the corpus and a huge query', async () => {
    expect(await idsOf(await open(place.uri), `red ${'words of no page '.repeat(400)}`, 1000)).toHaveLength(3);
  });

  test('fetches by id, whatever the id holds, in parts, in the order asked; unknown ids are undefined', async () => {
    const retriever = await open(place.uri);
    const ids = ["it's", 'unknown', 'c"\n🎉', "' OR 1=1 --", 'a'];
    const documents = await retriever.fetch(ids, { part: 0, partCharacters: 100 });
    expect(documents.map((one) => one?.id)).toEqual(["it's", undefined, 'c"\n🎉', undefined, 'a']);
    const [first] = documents;
    const parts = await Promise.all(
      Array.from({ length: first?.parts ?? 0 }, (_, part) => retriever.fetch(["it's"], { part, partCharacters: 100 })),
    );
    const whole = parts.map(([one]) => one?.text ?? '').join('');
    expect(whole).toBe(`an id with a quote; ${long}`);
    expect(first?.characters).toBe(whole.length);
    const [beyond] = await retriever.fetch(["it's"], { part: 99, partCharacters: 100 });
    expect(beyond).toMatchObject({ text: '', parts: first?.parts });
  });

  test('answers 200 searches at once, each its own', async () => {
    const retriever = await open(place.uri);
    // All different, so that neither the cache nor a search that is under way answers for another.
    const queries = Array.from({ length: 200 }, (_, n) => `${n % 2 === 0 ? 'red' : 'sky'} x${n}`);
    const answers = await Promise.all(queries.map((query) => idsOf(retriever, query)));
    answers.forEach((ids, n) => expect(ids).toEqual(n % 2 === 0 ? ['b', 'a'] : ['c"\n🎉']));
  });

  test('a caller whose signal aborts gets cancelled, others are served', async () => {
    const retriever = await open(place.uri);
    expect(await failureOf(retriever.search(['red'], { topK: 1, signal: AbortSignal.abort() }))).toMatch(/^cancelled/);
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = Array.from({ length: 100 }, (_, n) => retriever.search([`red x${n}`], { topK: 1, signal }));
    const fetching = retriever.fetch(['a'], { part: 0, partCharacters: 100, signal });
    controller.abort();
    for (const one of [...waiting, fetching]) expect(await failureOf(one)).toMatch(/^cancelled/);
    expect(await idsOf(retriever, 'red', 1)).toEqual(['b']);
  });

  test('a search that LanceDB does not end in time ends all the same', async () => {
    const settings = { searchThreads: 1, cacheMib: 0, maxMs: 1, maxWaitingQueries: 1_000, maxWaitingBytes: 2 ** 24 };
    const retriever = await open(place.uri, { settings });
    const waiting = Array.from({ length: 100 }, (_, n) => failureOf(retriever.search([`red x${n}`], { topK: 1 })));
    const endings = new Set((await Promise.all(waiting)).map((one) => one.split(':', 1)[0]));
    expect(endings).toContain('deadline_exceeded');
    for (const ending of endings) expect(['deadline_exceeded', 'nothing was thrown']).toContain(ending);
  });

  test('more than may wait is refused, with the time after which to come back', async () => {
    const settings = { searchThreads: 1, cacheMib: 0, maxMs: 30_000, maxWaitingQueries: 8, maxWaitingBytes: 2 ** 20 };
    const retriever = await open(place.uri, { settings });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => failureOf(retriever.search([`red x${n}`], { topK: 1 }))),
    );
    expect(answers.filter((answer) => answer.startsWith('resource_exhausted'))).toHaveLength(12);
  });
});

describe('what cannot be served', () => {
  test('a place without an index names the command that makes one', async () => {
    expect(await failureOf(open(pathOf('nothing')))).toMatch(
      /^failed_precondition: uri: .* holds no index; build one: gradus index build CORPUS --backend lancedb/,
    );
    expect(existsSync(pathOf('nothing'))).toBe(false);
  });

  test('a URI of another kind', async () => {
    for (const uri of ['', 'db://cloud', 'http://127.0.0.1']) {
      expect(await failureOf(open(uri))).toMatch(/^invalid_argument: uri: /);
    }
  });

  test('an index of another corpus', async () => {
    const place = await placeOf(rows);
    await publish(place);
    const opening = open(place.uri, { corpusSha256: 'c'.repeat(64) });
    expect(await failureOf(opening)).toMatch(/^failed_precondition: .* index of another corpus: .* expected ccc/);
  });

  test('an index of another format, a manifest that is none, and tables that are gone; the one that serves stays', async () => {
    const place = await placeOf(rows);
    await publish(place);
    const serving = await open(place.uri);
    const connection = await connect(place.uri);
    const builds = await connection.openTable(buildsTable);
    const [row] = await builds.query().toArray();
    const manifest = String(row.manifest);
    const publishText = (text: string, sequence: number): Promise<unknown> =>
      builds.add([{ sequence, build: 'x', manifest: text }]);
    await publishText(manifest.replace(`"formatVersion":${lancedbFormatVersion}`, '"formatVersion":99'), 2);
    expect(await failureOf(open(place.uri))).toMatch(
      /^failed_precondition: .*written in format 99, this version reads 1; build it again/,
    );
    await publishText('{', 3);
    expect(await failureOf(open(place.uri))).toMatch(/^data_loss: .* not JSON/);
    await publishText(manifest.replace(/"rows":\d+/, '"rows":9'), 4);
    expect(await failureOf(open(place.uri))).toMatch(/^data_loss: .* has 5 rows and not 9/);
    await publishText(manifest.replace(/"name":"[^"]+"/, '"name":"gone"'), 5);
    expect(await failureOf(open(place.uri))).toMatch(/^data_loss: .* table gone .* build it again/);
    expect(await failureOf(serving.reload())).toMatch(/^data_loss/);
    expect(await idsOf(serving, 'red', 1)).toEqual(['b']);
    connection.close();
  });
});
