import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { TransientError } from '#platform/errors.ts';
import { pythonProgram, repositoryRoot } from '../../services/platform/repository.ts';
import type { Retriever } from '../../services/retrieval/retriever.ts';
import { startHttpApi } from './http-api.ts';

/** Needs no package, so any Python will do where the one of this checkout is not set up. */
const python = existsSync(pythonProgram) ? pythonProgram : '/usr/bin/python3';

async function ask(url: string, client: string): Promise<unknown> {
  const child = spawn(python, [`${repositoryRoot}/tests/fixtures/search_clients.py`, url, client], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, errors] = await Promise.all(
    [child.stdout, child.stderr].map(async (stream) => (await stream.setEncoding('utf8').toArray()).join('')),
  );
  if (out === '') throw new Error(errors);
  return JSON.parse(out ?? '');
}

/** Fails the first searches with what `error` gives. */
function failing(times: number, error: () => Error): (retriever: Retriever) => Retriever {
  let left = times;
  return (retriever) => ({
    ...retriever,
    search: async (queries, options) => {
      left -= 1;
      if (left >= 0) throw error();
      return await retriever.search(queries, options);
    },
  });
}

const halvard = 'Doc 1(Title: "Halvard Brontley") Halvard Brontley was born in Norwick Vale.\nHe wrote books.';
const paris = 'Paris (city) is a town in Estmark Dell.';

// Python is there in every setting that this project supports; without it nothing can be said about its clients.
describe.skipIf(!existsSync(python))('an unmodified client', () => {
  test('of Search-R1 gets a list per query, and an empty one for an empty batch', async () => {
    const { url } = await startHttpApi();
    expect(await ask(url, 'search_r1')).toEqual({
      three: [[halvard], [], [`Doc 1(Title: "Paris (city)") ${paris}`]],
      none: [],
    });
  });

  test('of slime reads documents without scores', async () => {
    const { url } = await startHttpApi();
    expect(await ask(url, 'slime')).toEqual({ status: 200, contents: [`"Paris (city)"\n${paris}`] });
  });

  test('of verl is answered after overload and a fault that pass', async () => {
    const errors = [
      () => new TransientError('resource_exhausted', 'too much is waiting', { retryAfterMs: 5 }),
      () => new TransientError('unavailable', 'the index is being read'),
      () => new Error('a fault'),
    ];
    let next = 0;
    const { url } = await startHttpApi({
      around: failing(3, () => errors[next++]?.() ?? new Error('none left')),
      flags: ['--http-overload-status', '503'],
    });
    expect(await ask(url, 'verl')).toEqual({ statuses: [503, 503, 500, 200], result: [[halvard]] });
  });

  test('of verl takes 429 as final, which is why the status of overload can be set', async () => {
    const full = (): Error => new TransientError('resource_exhausted', 'too much is waiting');
    const { url } = await startHttpApi({ around: failing(1, full) });
    expect(await ask(url, 'verl')).toEqual({ statuses: [429], error: 'too much is waiting' });
  });

  test('of verl gets once, and not ten times, what is wrong with its request', async () => {
    const { url } = await startHttpApi();
    expect(await ask(url, 'verl_wrong_count')).toEqual({
      statuses: [400],
      error: 'topk: found the number -1; give a whole number from 1 to 1000, or 0 for 3',
    });
  });

  test('of verl outlives a server that is not there', async () => {
    // Nobody listens at port 1.
    expect(await ask('http://127.0.0.1:1', 'verl')).toEqual({
      statuses: Array<string>(10).fill('connection'),
      error: 'gave up',
    });
  });

  test('of Menlo finds a page and reads the page that it found', async () => {
    const { url } = await startHttpApi();
    expect(await ask(url, 'menlo')).toEqual({
      status: 200,
      results: [{ title: 'Paris (city)', url: 'doc_3', preview: paris }],
      visited: 200,
      page: { title: 'Paris (city)', full_content: paris },
      missing: 404,
    });
  });

  test('of ReCall gets lists, and with scores pairs of lists', async () => {
    const { url } = await startHttpApi();
    expect(await ask(url, 'recall')).toEqual({
      plain: ['"Halvard Brontley"\nHalvard Brontley was born in Norwick Vale.\nHe wrote books.'],
      ids: ['0007'],
      scores: 1,
      batches: [['0007'], [], ['3']],
      batch_scores: [1, 0, 1],
      plain_batches: [['3']],
    });
  });
});
