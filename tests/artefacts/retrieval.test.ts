import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { publish } from '#artefacts/artefact-files.ts';
import { digestIn } from '#artefacts/location.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { buildIndex } from '../../services/retrieval/index/build-index.ts';
import { startServer } from '../platform/fixtures.ts';
import { startRetrievalService } from '../retrieval/service.ts';
import { serveArtefacts } from './serve.ts';

const { signal } = new AbortController();
const pages = [
  { id: '1', title: 'Halvard', text: 'Halvard was born in Verland.' },
  { id: '2', title: 'Coast', text: 'The coast lies at the sea.' },
];
const of = (kind: 'corpus' | 'index') => ({ kind, runId: '', isFinal: false, signal }) as const;

const stores = {
  folder: async () => ({ store: await temporaryDirectory() }),
  NATS: async () => ({ store: 'nats:artefacts', natsUrl: (await startServer()).url }),
};

describe.each(Object.entries(stores))('a corpus and an index in a store (%s)', (_name, open) => {
  test('are fetched once, searched, and compared with their digests at each start', async () => {
    const place = await open();
    const [one, other] = [await serveArtefacts(place), await serveArtefacts(place)];
    const file = join(one.root, 'corpus.jsonl');
    await writeFile(file, pages.map((page) => `${JSON.stringify(page)}\n`).join(''));
    await buildIndex({ corpusPath: file, directory: join(one.root, 'index'), settings: {} });
    const corpus = await publish(one.client, file, of('corpus'));
    const index = await publish(one.client, join(one.root, 'index'), of('index'));

    // Another machine, which has neither file.
    const cache = join(other.root, 'retrieval');
    const store = ['--artefacts', other.address, '--artefact-directory', cache];
    const search = async (...flags: string[]) => {
      const { client } = await startRetrievalService(...flags, ...store);
      const { results } = await client.search({ queries: ['Verland'], topK: 1 });
      return results[0]?.hits.map(({ id }) => id);
    };
    const fetched = async () =>
      /moved_bytes_total\{direction="fetch"\} (\d+)/.exec(await other.metrics.render())?.[1] ?? '0';
    expect(await search('--corpus', corpus)).toEqual(['1']);
    const came = await fetched();
    expect(Number(came)).toBeGreaterThan(100);
    expect(await search('--corpus', corpus)).toEqual(['1']);
    expect(await fetched()).toBe(came);
    expect(await search('--index', index)).toEqual(['1']);
    // The corpus is what nobody asks for now.
    expect(await readdir(cache)).toEqual([digestIn(index)]);

    await writeFile(join(cache, digestIn(index) ?? '', 'left.over'), 'x');
    await expect(search('--index', index)).rejects.toThrow(/is there and differs from artefact .*left\.over/);
    await rm(join(cache, digestIn(index) ?? '', 'left.over'));

    await mkdir(join(one.root, 'two'));
    for (const name of ['a.jsonl', 'b.jsonl']) await writeFile(join(one.root, 'two', name), '{}\n');
    const two = await publish(one.client, join(one.root, 'two'), of('corpus'));
    await expect(search('--corpus', two)).rejects.toThrow('which holds 2 files (a.jsonl, b.jsonl); put the file');
    await expect(startRetrievalService('--corpus', corpus)).rejects.toThrow(
      `corpus: is ${corpus}, which lies in a store; give --artefacts and --artefact-directory`,
    );
  });
});
