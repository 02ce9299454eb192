import { execFile } from 'node:child_process';
import { mkdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildIndex } from '../../services/retrieval/index/build-index.ts';
import { startRetrievalService } from './service.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const towns = Array.from({ length: 40 }, (_, at) => `town${at}`);

/** Each index answers with ids of its own, so that a hit shows where it is from. */
async function buildFor(directory: string, name: string): Promise<string> {
  const corpusPath = join(directory, `${name}.jsonl`);
  const pages = towns.map((town) => ({ id: `${name}-${town}`, title: town, text: `${town} lies in ${name}.` }));
  await writeFile(corpusPath, pages.map((page) => JSON.stringify(page)).join('\n'));
  const index = join(directory, name);
  await buildIndex({ corpusPath, directory: index, settings: {} });
  return index;
}

/** Points `link` at another directory, at once, as a release does. */
async function point(link: string, to: string): Promise<void> {
  const next = `${link}.next`;
  await symlink(to, next);
  await rename(next, link);
}

/** The program as people start it. */
function gradus(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const program = join(import.meta.dirname, '../../services/cli/bin/gradus');
    const child = execFile(program, args, (_error, out, err) => resolve({ code: child.exitCode ?? -1, out, err }));
  });
}

describe.each([0, 1, 2])('an index is swapped under load, with %d search threads', (threads) => {
  test('no call fails, and every answer is wholly of the version that it names', async () => {
    const directory = await temporaryDirectory();
    const [red, blue] = [await buildFor(directory, 'red'), await buildFor(directory, 'blue')];
    const link = join(directory, 'served');
    await point(link, red);
    const { client, metric } = await startRetrievalService('--index', link, '--search-threads', String(threads));
    const first = await client.describe({});
    const nameOf = new Map([[first.indexVersion, 'red']]);

    const swapping = new AbortController();
    let answers = 0;
    const seen = new Set<string>();
    async function ask(worker: number): Promise<void> {
      for (let call = 0; !swapping.signal.aborted || call < 5; call += 1) {
        const queries = [0, 1, 2].map((more) => towns[(worker + call + more) % towns.length] ?? '');
        const { results, indexVersion } = await client.search({ queries, topK: 2 });
        const name = nameOf.get(indexVersion) ?? 'blue';
        expect(results.map(({ hits }) => hits.map(({ id }) => id))).toEqual(queries.map((town) => [`${name}-${town}`]));
        seen.add(name);
        answers += 1;
      }
    }
    const load = Array.from({ length: 16 }, (_, worker) => ask(worker));
    for (let swap = 0; swap < 20; swap += 1) {
      await point(link, swap % 2 === 0 ? blue : red);
      const { oldIndexVersion, newIndexVersion } = await client.reload({});
      expect(newIndexVersion).not.toBe(oldIndexVersion);
      expect(newIndexVersion === first.indexVersion).toBe(swap % 2 === 1);
    }
    swapping.abort();
    await Promise.all(load);
    expect(answers).toBeGreaterThan(80);
    expect([...seen].toSorted()).toEqual(['blue', 'red']);
    expect(await metric('gradus_retrieval_reloads_total{outcome="swapped"}')).toBe(20);
    expect(await metric('gradus_retrieval_waiting_queries')).toBe(0);
    expect(await metric('gradus_retrieval_waiting_bytes')).toBe(0);
  });
});

test('a reload that fails says why, and the old index goes on serving', async () => {
  const directory = await temporaryDirectory();
  const [red, blue] = [await buildFor(directory, 'red'), await buildFor(directory, 'blue')];
  const link = join(directory, 'served');
  await point(link, red);
  const { client, metric } = await startRetrievalService('--index', link);
  const before = await client.describe({});

  await truncate(join(blue, 'postings.passages'), 3);
  await point(link, blue);
  await expect(client.reload({})).rejects.toMatchObject({ code: 'data_loss' });
  await expect(client.reload({})).rejects.toThrow(/postings\.passages: found 3 bytes, expected \d+/);
  await rm(link);
  await expect(client.reload({})).rejects.toThrow(/served/);
  await mkdir(link);
  await expect(client.reload({})).rejects.toThrow(/manifest/);

  const { results, indexVersion } = await client.search({ queries: ['town7'], topK: 1 });
  expect(indexVersion).toBe(before.indexVersion);
  expect(results[0]?.hits[0]?.id).toBe('red-town7');
  expect(await metric('gradus_retrieval_reloads_total{outcome="failed"}')).toBe(4);
});

test('gradus index reload says which index serves now, and why one does not', async () => {
  const directory = await temporaryDirectory();
  const [red, blue] = [await buildFor(directory, 'red'), await buildFor(directory, 'blue')];
  const link = join(directory, 'served');
  await point(link, red);
  const { client, address } = await startRetrievalService('--index', link);
  const { indexVersion: old } = await client.describe({});
  expect(await gradus('index', 'reload', address)).toEqual({ code: 0, out: `unchanged: ${old}\n`, err: '' });
  await point(link, blue);
  const { out } = await gradus('index', 'reload', address, '--json');
  const { indexVersion } = await client.describe({});
  expect(JSON.parse(out)).toEqual({ swapped: true, old_index_version: old, new_index_version: indexVersion });
  await rm(link);
  const failed = await gradus('index', 'reload', address);
  expect(failed.code).not.toBe(0);
  expect(failed.err).toMatch(/served/);
});

test('a reload of what has not changed says so, and keeps what was cached', async () => {
  const red = await buildFor(await temporaryDirectory(), 'red');
  const { client, metric } = await startRetrievalService('--index', red);
  await client.search({ queries: ['town1'] });
  const { oldIndexVersion, newIndexVersion } = await client.reload({});
  expect(newIndexVersion).toBe(oldIndexVersion);
  await client.search({ queries: ['town1'] });
  expect(await metric('gradus_retrieval_cache_queries_total{outcome="hit"}')).toBe(1);
});

test('a corpus that was served without an index is indexed anew', async () => {
  const directory = await temporaryDirectory();
  const corpus = join(directory, 'corpus.jsonl');
  await writeFile(corpus, '{"id":"1","text":"old words"}\n');
  const { client } = await startRetrievalService('--corpus', corpus);
  await writeFile(corpus, '{"id":"1","text":"old words"}\n{"id":"2","text":"new words"}\n');
  const { oldIndexVersion, newIndexVersion } = await client.reload({});
  expect(newIndexVersion).not.toBe(oldIndexVersion);
  const { results } = await client.search({ queries: ['words'] });
  expect(results[0]?.hits.map(({ id }) => id)).toEqual(['1', '2']);
});

test('an index of another corpus is refused, and one that was built otherwise than asked for', async () => {
  const directory = await temporaryDirectory();
  const red = await buildFor(directory, 'red');
  await buildFor(directory, 'blue');
  const start = (...flags: string[]) => startRetrievalService('--index', red, ...flags);
  await expect(start('--corpus', join(directory, 'blue.jsonl'))).rejects.toThrow(/index of another corpus/);
  await expect(start('--analyzer', 'english')).rejects.toThrow(
    /analyzer: english, but the index .* built with standard/,
  );
  await expect(start('--chunk-words', '50')).rejects.toThrow(/chunkWords: 50, but .* built with none/);
  const { client } = await start('--corpus', join(directory, 'red.jsonl'), '--k1', '0.9', '--analyzer', 'standard');
  expect(await client.describe({})).toMatchObject({ k1: 0.9, b: 0.75, documents: 40n, passages: 40n });
});
