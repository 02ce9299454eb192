import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from '@lancedb/lancedb';
import { describe, expect, test } from 'vitest';
import { failureOf, idsOf, rows, useLancedb } from '../../../tests/fixtures/lancedb-databases.ts';
import { buildIndex } from '../index/build-index.ts';
import { publishIndex } from './publish-index.ts';

const { pathOf, placeOf, publish, open } = useLancedb();

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
    await writeFile(join(pathOf('index'), 'postings.passages'), 'short');
    expect(await failureOf(publishIndex({ directory: pathOf('index'), uri: place.uri }))).toMatch(/postings/);
    const connection = await connect(place.uri);
    expect(await connection.tableNames()).toHaveLength(2);
    connection.close();
    expect((await open(place.uri)).describe().indexVersion).toBe(version);
  });

  test('that was killed is never served, and what it left is dropped by one a day later', async () => {
    const place = await placeOf(rows);
    const version = await publish(place);
    const directory = pathOf('killed-index');
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
