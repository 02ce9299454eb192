import { copyFile, mkdtemp, readFile, readdir, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildIndex } from './build-index.ts';
import { createIndexReader } from './index-reader.ts';
import { indexVersionOf, manifestName } from './manifest.ts';
import { closeIndex, openIndex } from './open-index.ts';
import { verifyIndex } from './verify-index.ts';

let directory = '';
let good = '';
let index = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradus-open-'));
  const corpusPath = join(directory, 'corpus.jsonl');
  const rows = ['red apple', 'green apple', 'blue sky'].map((text, id) => JSON.stringify({ id: `p${id}`, text }));
  await writeFile(corpusPath, rows.join('\n'));
  good = join(directory, 'good');
  await buildIndex({ corpusPath, directory: good, settings: {} });
});
beforeEach(async () => {
  index = await mkdtemp(join(directory, 'index-'));
  for (const name of await readdir(good)) await copyFile(join(good, name), join(index, name));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

const fix = /build it anew with: gradus index build CORPUS --out DIR/;

async function rewriteManifest(change: (text: string) => string): Promise<void> {
  const path = join(index, manifestName);
  await writeFile(path, change(await readFile(path, 'utf8')));
}

describe('opening an index', () => {
  test('gives worker threads the same index to search and to read', async () => {
    const data = await openIndex(index);
    const source = `
      const { parentPort, workerData } = require('node:worker_threads');
      import(workerData.reader).then(({ createIndexReader }) => {
        const reader = createIndexReader(workerData.data);
        const { passages } = reader.search('apple', 5);
        parentPort.postMessage([...passages].map((passage) => reader.card(passage).id));
      });`;
    const reader = new URL('index-reader.ts', import.meta.url).href;
    const worker = new Worker(source, { eval: true, workerData: { data, reader } });
    const [found] = await once(worker, 'message');
    expect(found).toEqual(['p0', 'p1']);
    await worker.terminate();
    closeIndex(data);
  });

  test('gives the version that its building gave', async () => {
    const chunked = join(directory, 'chunked');
    const settings = { chunk: { overlap: 2, words: 10 }, titleBoost: 2, analyzer: 'english' } as const;
    const built = await buildIndex({ corpusPath: join(directory, 'corpus.jsonl'), directory: chunked, settings });
    const data = await openIndex(chunked);
    expect(data.indexVersion).toBe(indexVersionOf(built));
    expect(data.manifest).toEqual(built);
    closeIndex(data);
  });

  test('with another k1 or b is another version', async () => {
    const [one, same, other] = await Promise.all([
      openIndex(index),
      openIndex(index, { k1: 1.2 }),
      openIndex(index, { b: 0 }),
    ]);
    expect(same.indexVersion).toBe(one.indexVersion);
    expect(other.indexVersion).not.toBe(one.indexVersion);
    expect(other.indexVersion).toMatch(/^[0-9a-f]{64}$/);
    for (const data of [one, same, other]) closeIndex(data);
  });

  test('stops when its signal aborts', async () => {
    await expect(openIndex(index, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'CancelledError' });
  });

  test('answers while files of the index are unlinked', async () => {
    const data = await openIndex(index);
    await rm(index, { recursive: true });
    expect(createIndexReader(data).text(2)).toEqual({ title: '', text: 'blue sky' });
    closeIndex(data);
  });
});

describe('an index that cannot serve is refused', () => {
  test('where there is none', async () => {
    const failure = openIndex(join(directory, 'nothing'));
    await expect(failure).rejects.toMatchObject({ code: 'not_found' });
    await expect(failure).rejects.toThrow(/nothing\/manifest.json: there is no such file, so .* holds no index/);
    await expect(failure).rejects.toThrow(fix);
  });

  test('of another format, naming what was found and what is read', async () => {
    await rewriteManifest((text) => text.replace('"formatVersion": 1', '"formatVersion": 7'));
    await expect(openIndex(index)).rejects.toThrow(
      /formatVersion: found 7; this version of gradus reads 1; build it anew/,
    );
    await rewriteManifest(() => '{"hello": 1}');
    await expect(openIndex(index)).rejects.toThrow(/formatVersion: found none/);
    await rewriteManifest(() => '{');
    await expect(openIndex(index)).rejects.toThrow(/cannot be read as JSON/);
    await rewriteManifest(() => '{"formatVersion": 1}');
    await expect(openIndex(index)).rejects.toThrow(/manifest.json: builder: /);
  });

  test('of another corpus than expected', async () => {
    const failure = openIndex(index, { corpusSha256: '0'.repeat(64) });
    await expect(failure).rejects.toMatchObject({ code: 'failed_precondition' });
    await expect(failure).rejects.toThrow(
      /is an index of another corpus: found SHA-256 [0-9a-f]{64} .*, expected 0{64}/,
    );
  });

  const names = ['terms.text', 'terms.slots', 'blocks.bounds', 'postings.passages', 'pages', 'cards', 'cards.offsets'];
  test.each(names)('with a truncated, longer or missing %s, naming it', async (name) => {
    const path = join(index, name);
    const bytes = (await readFile(path)).length;
    await truncate(path, bytes - 1);
    const failure = openIndex(index);
    await expect(failure).rejects.toMatchObject({ code: 'data_loss' });
    await expect(failure).rejects.toThrow(`${path}: found ${bytes - 1} bytes, expected ${bytes}`);
    await expect(failure).rejects.toThrow(fix);
    await truncate(path, bytes + 1);
    await expect(openIndex(index)).rejects.toThrow(`${path}: found ${bytes + 1} bytes`);
    await unlink(path);
    await expect(openIndex(index)).rejects.toThrow(`${path}: is missing from the index`);
  });

  test('with a bit that flipped: at once where it is read into memory, by verify wherever', async () => {
    const flip = async (name: string): Promise<void> => {
      const bytes = await readFile(join(index, name));
      bytes[0] = (bytes[0] ?? 0) ^ 1;
      await writeFile(join(index, name), bytes);
    };
    expect(await verifyIndex(index)).toMatchObject({ terms: 5 });
    await flip('pages');
    closeIndex(await openIndex(index));
    await expect(verifyIndex(index)).rejects.toThrow(
      /pages: is damaged: found CRC-32 \d+, expected \d+; build it anew/,
    );
    await flip('postings.frequencies');
    await expect(openIndex(index)).rejects.toThrow(/postings.frequencies: is damaged/);
  });
});
