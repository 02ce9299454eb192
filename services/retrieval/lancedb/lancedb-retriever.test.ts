import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@lancedb/lancedb';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { isGradusError } from '#shared/errors.ts';
import { buildIndex } from '../index/build-index.ts';
import type { IndexSettings } from '../index/manifest.ts';
import type { Retriever } from '../retriever.ts';
import { lancedbFormatVersion } from './build-manifest.ts';
import { openLancedbRetriever, type LancedbRetrieverOptions } from './open-lancedb-retriever.ts';
import { publishIndex, type PublishOptions } from './publish-index.ts';
import { buildsTable } from './table-schemas.ts';

let root = '';
let databases = 0;
const stops: (() => Promise<void>)[] = [];
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gradus-lancedb-'));
});
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const long = 'long words '.repeat(40);
const rows = [
  { id: 'a', contents: 'Apple\nred apple' },
  { id: 'b', contents: 'Wine\nred red wine' },
  { id: "it's", contents: `Quotes\nan id with a quote; ${long}` },
  { id: 'c"\n🎉', contents: 'Party\nsky' },
  { id: '永', contents: '永\n永和九年' },
];

interface Place {
  readonly uri: string;
  readonly corpusPath: string;
}

async function placeOf(documents: readonly object[]): Promise<Place> {
  databases += 1;
  const corpusPath = join(root, `${databases}.jsonl`);
  await writeFile(corpusPath, documents.map((row) => JSON.stringify(row)).join('\n'));
  return { uri: join(root, `db${databases}`), corpusPath };
}

async function publish(
  { uri, corpusPath }: Place,
  settings: Partial<IndexSettings> = {},
  more: Partial<PublishOptions> = {},
): Promise<string> {
  const directory = join(root, 'index');
  await buildIndex({ corpusPath, directory, settings, replace: true });
  return (await publishIndex({ directory, uri, ...more })).indexVersion;
}

async function open(uri: string, more: Partial<LancedbRetrieverOptions> = {}): Promise<Retriever> {
  const { retriever, stop } = await openLancedbRetriever({
    uri,
    settings: { searchThreads: 1, cacheMib: 1, maxMs: 30_000, maxWaitingQueries: 1_000, maxWaitingBytes: 2 ** 24 },
    decide: () => ({
      defaultMode: 'lexical',
      defaultRerank: false,
      denseMissing: 'no encoder is loaded',
      rerankMissing: 'no cross-encoder is loaded',
      rerankFrom: 15,
      rerankTo: 10,
      missing: [],
    }),
    models: { encoder: undefined, crossEncoder: undefined },
    events: {
      cached: () => {},
      refused: () => {},
      dropped: () => {},
      landed: () => {},
      threadLost: () => {},
      watch: () => {},
      reloaded: () => {},
    },
    ...more,
  });
  stops.push(stop);
  return retriever;
}

async function idsOf(retriever: Retriever, query: string, topK = 10): Promise<readonly string[]> {
  const { results } = await retriever.search([query], { topK });
  return (results[0] ?? []).map(({ id }) => id);
}

async function failureOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => 'nothing was thrown',
    (thrown: unknown) => thrown,
  );
  return isGradusError(error) ? `${error.code}: ${error.message}` : String(error);
}

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

describe('a publication', () => {
  test('replaces the one before it under load with no failed call; who has not reloaded stays on the old one', async () => {
    const place = await placeOf(rows);
    const oldVersion = await publish(place);
    const [one, other] = [await open(place.uri), await open(place.uri)];
    await appendFile(place.corpusPath, `\n${JSON.stringify({ id: 'new', contents: 'New\nred red red' })}`);
    const newVersion = await publish(place);
    expect(newVersion).not.toBe(oldVersion);
    expect(await idsOf(one, 'red')).toEqual(['b', 'a']);

    let failures = 0;
    let asked = 0;
    const seen = new Set<string>();
    const stop = new AbortController();
    const load = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        const answer = await one.search([`red x${(asked += 1)}`], { topK: 1 }).catch(() => undefined);
        const [hit] = answer?.results[0] ?? [];
        if (hit?.id !== (answer?.indexVersion === oldVersion ? 'b' : 'new')) failures += 1;
        seen.add(answer?.indexVersion ?? '');
      }
    };
    const clients = Array.from({ length: 8 }, load);
    await expect.poll(() => seen.size).toBe(1);
    expect(await one.reload()).toEqual({ oldIndexVersion: oldVersion, newIndexVersion: newVersion });
    await expect.poll(() => seen.size).toBe(2);
    stop.abort();
    await Promise.all(clients);
    expect(failures).toBe(0);
    expect(await idsOf(one, 'red', 1)).toEqual(['new']);
    expect(await idsOf(other, 'red sky', 1)).toEqual(['c"\n🎉']);
    expect(other.describe().indexVersion).toBe(oldVersion);
  });

  test('keeps the tables of the last two builds and drops older ones', async () => {
    const place = await placeOf(rows);
    for (let n = 0; n < 4; n += 1) await publish(place);
    const connection = await connect(place.uri);
    expect(await connection.tableNames()).toHaveLength(3);
    connection.close();
  });

  test('that is cancelled, or of a damaged index, is never served and leaves nothing behind', async () => {
    const place = await placeOf(rows);
    const version = await publish(place);
    const controller = new AbortController();
    const cancelled = publish(place, {}, { signal: controller.signal, onProgress: () => controller.abort() });
    expect(await failureOf(cancelled)).toMatch(/^cancelled/);
    await writeFile(join(root, 'index', 'postings.passages'), 'short');
    expect(await failureOf(publishIndex({ directory: join(root, 'index'), uri: place.uri }))).toMatch(/postings/);
    const connection = await connect(place.uri);
    expect(await connection.tableNames()).toHaveLength(2);
    connection.close();
    expect((await open(place.uri)).describe().indexVersion).toBe(version);
  });

  test('that was killed is never served, and what it left is dropped by one a day later', async () => {
    const place = await placeOf(rows);
    const version = await publish(place);
    const directory = join(root, 'killed-index');
    const many = Array.from({ length: 40_000 }, (_, n) => ({ id: `${n}`, contents: `t\nred ${n}` }));
    await buildIndex({ ...(await placeOf(many)), directory, settings: {} });
    const module = join(import.meta.dirname, 'publish-index.ts');
    const script = `
      const { publishIndex } = await import(${JSON.stringify(module)});
      const onProgress = () => process.kill(process.pid, 'SIGKILL');
      await publishIndex({ directory: ${JSON.stringify(directory)}, uri: ${JSON.stringify(place.uri)}, onProgress });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    const connection = await connect(place.uri);
    expect(await connection.tableNames()).toHaveLength(3);
    expect((await open(place.uri)).describe().indexVersion).toBe(version);
    await publish(place);
    expect(await connection.tableNames()).toHaveLength(4);
    await publish(place, {}, { now: () => Date.now() + 25 * 3_600_000 });
    expect(await connection.tableNames()).toHaveLength(3);
    connection.close();
  });

  test('of another weighting than that of LanceDB is refused, rather than ranked otherwise than asked', async () => {
    const place = await placeOf(rows);
    expect(await failureOf(publish(place, { k1: 0.9, b: 0.4 }))).toMatch(
      /^failed_precondition: k1, b: .* built with 0\.9 and 0\.4; LanceDB ranks with 1\.2 and 0\.75/,
    );
  });

  test('counts the words of titles as often as asked', async () => {
    const place = await placeOf([
      { id: 'text', contents: 'Other\nmoon moon' },
      { id: 'title', contents: 'Moon\nother words' },
    ]);
    await publish(place);
    const retriever = await open(place.uri);
    expect(await idsOf(retriever, 'moon')).toEqual(['text', 'title']);
    await publish(place, { titleBoost: 4 });
    await retriever.reload();
    expect(await idsOf(retriever, 'moon')).toEqual(['title', 'text']);
  });

  test('of chunks finds chunks, and fetches chunks and the whole pages that they were cut from', async () => {
    const words = (topic: string): string => `${`${topic} `.repeat(15)}. `;
    const text = `${words('river')}${words('bridge')}${words('harbour')}`;
    const place = await placeOf([...rows, { id: 'town', contents: `Town\n${text}` }]);
    await publish(place, { chunk: { words: 20, overlap: 0 } });
    const retriever = await open(place.uri);
    const { results } = await retriever.search(['harbour'], { topK: 1 });
    const [hit] = results[0] ?? [];
    expect(hit).toMatchObject({ parentId: 'town', title: 'Town' });
    const [chunk, page] = await retriever.fetch([hit?.id ?? '', 'town'], { part: 0, partCharacters: 100_000 });
    expect(chunk).toMatchObject({ parentId: 'town', text: expect.stringMatching(/harbour/) });
    expect(chunk?.text).not.toMatch(/river/);
    expect(page).toMatchObject({ id: 'town', parentId: '', text });
  });
});

describe('what cannot be served', () => {
  test('a place without an index names the command that makes one', async () => {
    expect(await failureOf(open(join(root, 'nothing')))).toMatch(
      /^failed_precondition: uri: .* holds no index; build one: gradus index build CORPUS --backend lancedb/,
    );
    expect(existsSync(join(root, 'nothing'))).toBe(false);
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
