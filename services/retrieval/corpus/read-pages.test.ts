import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { repositoryRoot } from '#platform/repository.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readPages, type Page } from './read-pages.ts';

async function pagesOf(path: string, signal?: AbortSignal): Promise<Page[]> {
  const pages: Page[] = [];
  for await (const page of readPages(path, { check: () => undefined, signal })) pages.push(page);
  return pages;
}

describe('a corpus', () => {
  let directory = '';
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'gradus-corpus-'));
  });
  afterAll(async () => {
    await rm(directory, { recursive: true });
  });
  const write = async (bytes: string | Uint8Array): Promise<string> => {
    const path = join(directory, 'corpus.jsonl');
    await writeFile(path, bytes);
    return path;
  };

  test('reads both shapes, blank lines, Windows line ends, a byte-order mark and a last line without an end', async () => {
    const text =
      '\ufeff{"id": "a", "contents": "Paris (city)\\nFirst line.\\nSecond."}\r\n' +
      '\n{"id": 7, "title": "T", "text": "body", "url": "ignored"}\n' +
      '{"id": "b", "contents": "no title here"}\n{"id": "c", "text": "x\u2028y"}';
    const path = await write(text);
    expect(await pagesOf(path)).toEqual([
      { id: 'a', title: 'Paris (city)', text: 'First line.\nSecond.', line: 1 },
      { id: '7', title: 'T', text: 'body', line: 3 },
      { id: 'b', title: '', text: 'no title here', line: 4 },
      { id: 'c', title: '', text: 'x\u2028y', line: 5 },
    ]);
  });

  test('reads lines that span many chunks of the file', async () => {
    const long = 'é'.repeat(1_500_000);
    const path = await write(`{"id":"1","text":"${long}"}\n{"id":"2","text":"${long}"}\n`);
    const pages = await pagesOf(path);
    expect(pages.map(({ text }) => text === long)).toEqual([true, true]);
  });

  test('may be a table, compressed, or Parquet', async () => {
    const table = join(directory, 'corpus.csv.gz');
    await writeFile(table, gzipSync('id,title,text,url\n1,Paris,"First, line.",u\n2,,"Second\nline",u\n'));
    expect(await pagesOf(table)).toEqual([
      { id: '1', title: 'Paris', text: 'First, line.', line: 2 },
      { id: '2', title: '', text: 'Second\nline', line: 3 },
    ]);
    expect(await pagesOf(join(repositoryRoot, 'tests/fixtures/parquet/corpus.parquet'))).toEqual([
      { id: 'p1', title: 'Arrakeen Works', text: 'Founded by Ann.', line: 0 },
      { id: 'p2', title: 'Ann', text: 'Born in Oslo.', line: 1 },
    ]);
  });

  const good = '{"id": "a", "text": "x"}\n';
  test.each([
    ['{"id": "b"', /:2: not valid JSON/],
    ['[1]', /:2: found an array; expected \{"id"/],
    ['{"text": "x"}', /:2: id: missing/],
    ['{"id": "", "text": "x"}', /:2: id: empty/],
    ['{"id": null, "text": "x"}', /:2: id: found null; expected a string/],
    ['{"id": 1.5, "text": "x"}', /:2: id: found the number 1.5/],
    ['{"id": "b"}', /:2: contents: missing/],
    ['{"id": "b", "contents": 3}', /:2: contents: found the number 3; expected a string/],
    ['{"id": "b", "text": ["x"]}', /:2: text: found an array/],
    ['{"id": "b", "text": "x", "title": {}}', /:2: title: found an object/],
  ])('refuses the row %s, naming file, line and field', async (row, expected) => {
    const path = await write(good + row + '\n');
    const failure = pagesOf(path);
    await expect(failure).rejects.toThrow(expected);
    await expect(failure).rejects.toThrow(path);
    await expect(failure).rejects.toMatchObject({ name: 'TerminalError', code: 'invalid_argument' });
  });

  test('refuses bytes that are not UTF-8, naming the line', async () => {
    const path = await write(Buffer.concat([Buffer.from(good), Buffer.from([0x22, 0xff, 0x0a])]));
    await expect(pagesOf(path)).rejects.toThrow(/:2: not valid UTF-8/);
  });

  test.each([
    ['"Paris (city)"', 'Paris (city)'],
    ['"Heroes" (song)', '"Heroes" (song)'],
    ['Say "no"', 'Say "no"'],
    ['"One" and "Two"', '"One" and "Two"'],
    ['"', '"'],
  ])('reads the first line %s of contents as the title %s', async (line, title) => {
    const path = await write(JSON.stringify({ id: 'a', contents: `${line}\ntext` }));
    expect(await pagesOf(path)).toMatchObject([{ title, text: 'text' }]);
  });

  test('refuses a missing file and a directory', async () => {
    const missing = join(directory, 'absent.jsonl');
    await expect(pagesOf(missing)).rejects.toMatchObject({ code: 'not_found' });
    await expect(pagesOf(missing)).rejects.toThrow(missing);
    await expect(pagesOf(directory)).rejects.toThrow(directory);
  });

  test('stops reading when its signal aborts', async () => {
    const path = await write(good);
    await expect(pagesOf(path, AbortSignal.abort())).rejects.toMatchObject({ name: 'CancelledError' });
  });
});
