import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { FetchResponseSchema, SearchResponseSchema } from '#proto/retrieval/v1/retrieval_pb.ts';
import { CancelledError, TransientError } from '#platform/errors.ts';
import { createRetrievalSource } from './retrieval-source.ts';

type Client = Parameters<typeof createRetrievalSource>[0];

const signal = new AbortController().signal;
const io = { signal };

function recording(): { client: Client; batches: string[][] } {
  const batches: string[][] = [];
  const client: Client = {
    search: async ({ queries = [], topK }) => {
      batches.push([...queries]);
      return create(SearchResponseSchema, {
        results: queries.map((query) => ({ hits: [{ id: `${topK}`, title: query, preview: 'p' }] })),
      });
    },
    fetch: async ({ ids = [] }) => {
      batches.push([...ids]);
      return create(FetchResponseSchema, {
        documents: ids.filter((id) => id !== 'gone').map((id) => ({ id, title: `t${id}`, text: 'x' })),
      });
    },
  };
  return { client, batches };
}

describe('the source over the retrieval service', () => {
  test('send calls of one moment together, at most 256 in a request, and hand out each its own', async () => {
    const { client, batches } = recording();
    const tools = createRetrievalSource(client);
    const hits = await Promise.all(Array.from({ length: 300 }, (_, i) => tools.search(`q${i}`, 2, io)));
    expect(batches.map(({ length }) => length)).toEqual([256, 44]);
    expect(hits.map(([hit]) => hit?.title)).toEqual(Array.from({ length: 300 }, (_, i) => `q${i}`));
  });

  test('keep searches with different numbers of hits apart', async () => {
    const { client } = recording();
    const tools = createRetrievalSource(client);
    const [[two], [five]] = await Promise.all([tools.search('a', 2, io), tools.search('a', 5, io)]);
    expect([two?.id, five?.id]).toEqual(['2', '5']);
  });

  test('ask for a page once, and give undefined for one that is not there', async () => {
    const { client, batches } = recording();
    const tools = createRetrievalSource(client);
    const pages = await Promise.all(['1', 'gone', '1'].map((id) => tools.fetch(id, io)));
    expect(pages.map((page) => page?.title)).toEqual(['t1', undefined, 't1']);
    expect(batches).toEqual([['1', 'gone']]);
  });

  test('join the parts of a page that is longer than the service gives at once, and leave the others alone', async () => {
    const long = 'abcdefghij'.repeat(150_000);
    const asked: [readonly string[] | undefined, number | undefined, number | undefined][] = [];
    const client: Client = {
      ...recording().client,
      fetch: async ({ ids = [], part = 0, partCharacters }) => {
        asked.push([ids, part, partCharacters]);
        const size = partCharacters || 100_000;
        return create(FetchResponseSchema, {
          documents: ids.map((id) => {
            const text = id === 'long' ? long : 'short';
            const parts = Math.ceil(text.length / size);
            return { id, title: id, text: text.slice(part * size, (part + 1) * size), part, parts };
          }),
        });
      },
    };
    const tools = createRetrievalSource(client);
    const [short, whole] = await Promise.all(['short', 'long'].map((id) => tools.fetch(id, io)));
    expect(short?.text).toBe('short');
    expect(whole?.title).toBe('long');
    expect(whole?.text === long).toBe(true);
    expect(asked).toEqual([
      [['short', 'long'], 0, undefined],
      [['long'], 0, 1_000_000],
      [['long'], 1, 1_000_000],
    ]);
  });

  test('say that a page changed while its parts were read, rather than join two versions', async () => {
    const client: Client = {
      ...recording().client,
      fetch: async ({ ids = [], part = 0 }) =>
        create(FetchResponseSchema, {
          documents: part === 0 ? ids.map((id) => ({ id, title: id, text: 'first half', parts: 2 })) : [],
        }),
    };
    await expect(createRetrievalSource(client).fetch('1', io)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('P2: pass a failure of the service to every caller', async () => {
    const { client } = recording();
    const tools = createRetrievalSource({
      ...client,
      search: () => Promise.reject(new TransientError('unavailable', 'down')),
    });
    const outcomes = await Promise.allSettled([tools.search('a', 2, io), tools.search('b', 2, io)]);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
  });

  test('let one caller go without cancelling the others', async () => {
    const { client } = recording();
    const tools = createRetrievalSource(client);
    const stop = new AbortController();
    const left = tools.search('a', 2, { signal: stop.signal });
    const stayed = tools.search('b', 2, io);
    stop.abort();
    await expect(left).rejects.toBeInstanceOf(CancelledError);
    expect((await stayed)[0]?.title).toBe('b');
    await expect(tools.search('c', 2, { signal: stop.signal })).rejects.toBeInstanceOf(CancelledError);
  });

  test('do not invent an answer when the service gives fewer than it was asked for', async () => {
    const { client } = recording();
    const tools = createRetrievalSource({ ...client, search: async () => create(SearchResponseSchema, {}) });
    await expect(tools.search('a', 2, io)).rejects.toThrow(/1 items were asked for, 0 came/);
  });
});
