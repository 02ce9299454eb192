import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isGradusError } from '#platform/errors.ts';
import { startRetrievalService } from './service.ts';
import { until } from '../until.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const names = Array.from({ length: 300 }, (_, at) => `name${at}`);

async function corpusOf(text = 'lies by the river'): Promise<string> {
  const corpus = join(await temporaryDirectory(), 'corpus.jsonl');
  const pages = names.map((name) => ({ id: `of-${name}`, title: name, text: `${name} ${text}` }));
  await writeFile(corpus, pages.map((page) => JSON.stringify(page)).join('\n'));
  return corpus;
}

const nameAt = (at: number): string => names[at % names.length] ?? '';

test('2,000 callers at once are all answered, each with its own hits', async () => {
  const { client, metric } = await startRetrievalService('--corpus', await corpusOf(), '--cache-mib', '0');
  const answers = await Promise.all(
    Array.from({ length: 2_000 }, (_, at) => client.search({ queries: [nameAt(at)], topK: 1 })),
  );
  answers.forEach(({ results }, at) => expect(results[0]?.hits[0]?.id).toBe(`of-${nameAt(at)}`));
  expect(await metric('gradus_retrieval_refused_calls_total')).toBe(0);
  expect(await metric('gradus_retrieval_waiting_queries')).toBe(0);
});

test('64 callers with 256 queries each are all answered, in the order asked', async () => {
  const { client, metric } = await startRetrievalService('--corpus', await corpusOf(), '--cache-mib', '0');
  await Promise.all(
    Array.from({ length: 64 }, async (_, caller) => {
      const queries = Array.from({ length: 256 }, (__, at) => nameAt(caller + at));
      const { results } = await client.search({ queries, topK: 1 });
      expect(results.map(({ hits }) => hits[0]?.id)).toEqual(queries.map((name) => `of-${name}`));
    }),
  );
  expect(await metric('gradus_retrieval_refused_calls_total')).toBe(0);
  expect(await metric('gradus_retrieval_waiting_bytes')).toBe(0);
});

test('beyond the bound callers are refused with the time to wait, and who comes back is answered', async () => {
  const { client, metric } = await startRetrievalService(
    '--corpus',
    await corpusOf(),
    '--max-waiting-queries',
    '40',
    '--cache-mib',
    '0',
  );
  let refusals = 0;
  async function askUntilAnswered(at: number): Promise<void> {
    for (;;) {
      try {
        const { results } = await client.search({ queries: [nameAt(at), nameAt(at + 1)], topK: 1 });
        expect(results.map(({ hits }) => hits[0]?.id)).toEqual([`of-${nameAt(at)}`, `of-${nameAt(at + 1)}`]);
        return;
      } catch (error) {
        if (!isGradusError(error) || error.code !== 'resource_exhausted') throw error;
        expect(error).toMatchObject({ name: 'TransientError' });
        expect(error.message).toMatch(/too much is waiting: \d+ queries, 2 more would pass the limit of 40/);
        refusals += 1;
      }
    }
  }
  await Promise.all(Array.from({ length: 200 }, (_, at) => askUntilAnswered(at)));
  expect(refusals).toBeGreaterThan(0);
  expect(await metric('gradus_retrieval_refused_calls_total')).toBe(refusals);
  expect(await metric('gradus_retrieval_waiting_queries')).toBe(0);
});

test('a call that asks for more than may ever wait is refused', async () => {
  const { client } = await startRetrievalService('--corpus', await corpusOf(), '--max-waiting-queries', '2');
  await expect(client.search({ queries: ['a', 'b', 'c'] })).rejects.toMatchObject({ code: 'resource_exhausted' });
});

test('P3: callers who leave are not searched for, and leave nothing behind', async () => {
  const { client, metric } = await startRetrievalService(
    '--corpus',
    await corpusOf('river '.repeat(200)),
    '--cache-mib',
    '0',
  );
  const leaving = new AbortController();
  const calls = Array.from({ length: 64 }, () =>
    client.search({ queries: Array<string>(256).fill('river'), topK: 1_000 }, { signal: leaving.signal }),
  );
  await until(async () => (await metric('gradus_retrieval_waiting_queries')) > 5_000);
  leaving.abort();
  for (const call of calls) await expect(call).rejects.toMatchObject({ name: 'CancelledError' });
  await until(async () => (await metric('gradus_retrieval_waiting_queries')) === 0);
  expect(await metric('gradus_retrieval_waiting_bytes')).toBe(0);
  const { results } = await client.search({ queries: [nameAt(3)], topK: 1 });
  expect(results[0]?.hits[0]?.id).toBe(`of-${nameAt(3)}`);
  expect(await metric('gradus_retrieval_dropped_queries_total')).toBeGreaterThan(1_000);
});

test('P3: the service has a deadline of its own', async () => {
  const { client } = await startRetrievalService(
    '--corpus',
    await corpusOf('river '.repeat(200)),
    '--max-ms',
    '1',
    '--cache-mib',
    '0',
  );
  const call = client.search({ queries: Array<string>(256).fill('river'), topK: 1_000 });
  await expect(call).rejects.toMatchObject({ code: 'deadline_exceeded' });
  await expect(call).rejects.toThrow(/no answer within 1 ms \(--max-ms\)/);
});

test('what is asked again comes from the cache, by version, mode, count and text; what is asked twice at once is joined', async () => {
  const { client, metric } = await startRetrievalService('--corpus', await corpusOf());
  const cached = (outcome: string): Promise<number> =>
    metric(`gradus_retrieval_cache_queries_total{outcome="${outcome}"}`);
  await client.search({ queries: ['river', 'river', 'name1'], topK: 3 });
  expect([await cached('miss'), await cached('joined'), await cached('hit')]).toEqual([3, 1, 0]);
  const again = await client.search({ queries: ['name1', 'river'], topK: 3 });
  expect(again.results.map(({ hits }) => hits.length)).toEqual([1, 3]);
  expect(await cached('hit')).toBe(2);
  const more = await client.search({ queries: ['river'], topK: 4 });
  const withText = await client.search({ queries: ['river'], topK: 3, withText: true });
  expect(more.results[0]?.hits.length).toBe(4);
  expect(withText.results[0]?.hits[0]?.text).toMatch(/lies by the river/);
  expect(await cached('hit')).toBe(2);
  expect(await metric('gradus_retrieval_cache_bytes')).toBeGreaterThan(500);
});

test('an answer that would not fit into one message is refused, and names what to ask less of', async () => {
  const { client } = await startRetrievalService('--corpus', await corpusOf('river '.repeat(3_000)));
  const call = client.search({ queries: ['river', 'lies', 'name1 river', 'name2 river'], topK: 1_000, withText: true });
  await expect(call).resolves.toMatchObject({ results: expect.any(Array) });
  const most = client.search({
    queries: names.slice(0, 60).map((name) => `${name} river`),
    topK: 1_000,
    withText: true,
  });
  await expect(most).rejects.toMatchObject({ code: 'invalid_argument' });
  await expect(most).rejects.toThrow(/longer than 48 MiB; ask for less at once/);
});
