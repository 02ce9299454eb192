import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildIndex } from './build-index.ts';
import { indexCorpus } from './index-corpus.ts';
import { createIndexReader } from './index-reader.ts';
import { indexVersionOf } from './manifest.ts';
import { closeIndex, openIndex } from './open-index.ts';
import type { BuildProgress } from './write-index.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradus-build-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

async function corpusOf(bytes: string | Uint8Array): Promise<string> {
  const path = join(directory, 'corpus.jsonl');
  await writeFile(path, bytes);
  return path;
}

const row = (id: string, text: string): string => JSON.stringify({ id, title: '', text });
const target = (): string => join(directory, 'index');

/** Passages with many words that come up nowhere else, and many that come up everywhere. */
const manyPages = (count: number): string =>
  Array.from({ length: count }, (_, page) => {
    const own = Array.from({ length: 20 }, (__, word) => `own${page * 20 + word}`);
    const shared = Array.from({ length: 20 }, (__, word) => `shared${(page * 7 + word * 13) % 97}`);
    return row(`p${page}`, [...own, ...shared].join(' '));
  }).join('\n');

describe('building an index', () => {
  test.each([
    [0o022, 0o755, 0o644],
    [0o077, 0o700, 0o600],
  ])('under umask %o gives what others may read as the umask says', async (umask, ofDirectory, ofFiles) => {
    const before = process.umask(umask);
    try {
      await buildIndex({ corpusPath: await corpusOf(manyPages(3)), directory: target(), settings: {} });
    } finally {
      process.umask(before);
    }
    const rights = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;
    expect(await rights(target())).toBe(ofDirectory);
    for (const name of await readdir(target())) expect(await rights(join(target(), name))).toBe(ofFiles);
    expect((await readdir(directory)).toSorted()).toEqual(['corpus.jsonl', 'index']);
  });

  test('takes a page of five million letters without a break, in its text and in its title', async () => {
    const genome = 'acgt'.repeat(1_250_000);
    const corpusPath = await corpusOf(
      [row('1', `before ${genome} after`), JSON.stringify({ id: '2', title: genome, text: 'x' })].join('\n'),
    );
    const { words } = await buildIndex({ corpusPath, directory: target(), settings: {} });
    expect(words).toBe(2 + 2 * Math.ceil(5_000_000 / 255) + 1);
  });

  test('gives the same files whatever the memory: runs on disk merge into what one run gives', async () => {
    const corpusPath = await corpusOf(manyPages(6_000));
    const small = await buildIndex({
      corpusPath,
      directory: join(directory, 'small'),
      settings: { memoryBytes: 1024 * 1024 },
    });
    const large = await buildIndex({ corpusPath, directory: join(directory, 'large'), settings: {} });
    expect(small).toEqual(large);
    expect(small).toMatchObject({
      terms: 6_000 * 20 + 97,
      words: 6_000 * 40,
      corpus: { pages: 6_000, passages: 6_000 },
    });
    for (const name of Object.keys(large.files)) {
      const [one, other] = await Promise.all(['small', 'large'].map((which) => readFile(join(directory, which, name))));
      expect(one?.equals(other ?? Buffer.alloc(0)), name).toBe(true);
    }
    expect((await readdir(join(directory, 'small'))).toSorted()).toEqual(
      [...Object.keys(large.files), 'manifest.json'].toSorted(),
    );
  });

  test('reports its progress, and the manifest what was read', async () => {
    const text = manyPages(2_500);
    const corpusPath = await corpusOf(text);
    const seen: BuildProgress[] = [];
    const manifest = await buildIndex({
      corpusPath,
      directory: target(),
      settings: {},
      onProgress: (at) => seen.push(at),
    });
    expect(seen.map(({ phase }) => phase)).toEqual([
      ...Array<string>(3).fill('reading'),
      ...Array<string>(6).fill('merging'),
    ]);
    expect(seen.at(-1)).toEqual({
      phase: 'merging',
      pages: 2_500,
      passages: 2_500,
      bytes: text.length,
      terms: 2_500 * 20 + 97,
    });
    expect(manifest.corpus).toEqual({
      path: corpusPath,
      sha256: createHash('sha256').update(text).digest('hex'),
      pages: 2_500,
      passages: 2_500,
    });
  });

  test('names its content: the same corpus and settings give the same version, from wherever', async () => {
    const text = manyPages(10);
    const version = async (path: string, settings: { k1?: number; titleBoost?: number }): Promise<string> => {
      const out = await mkdtemp(join(directory, 'v-'));
      return indexVersionOf(await buildIndex({ corpusPath: path, directory: out, settings }));
    };
    const path = await corpusOf(text);
    const first = await version(path, {});
    await writeFile(join(directory, 'copy.jsonl'), text);
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await version(join(directory, 'copy.jsonl'), {})).toBe(first);
    expect(await version(path, { k1: 0.9 })).not.toBe(first);
    expect(await version(path, { titleBoost: 2 })).not.toBe(first);
    await writeFile(path, text.replace('own0', 'own1'));
    expect(await version(path, {})).not.toBe(first);
  });

  test('does not write over an index or other files unless it is asked to, and then swaps when it is complete', async () => {
    const corpusPath = await corpusOf(manyPages(10));
    const old = await buildIndex({ corpusPath, directory: target(), settings: {} });
    const again = { corpusPath, directory: target(), settings: { k1: 0.9 } };
    await expect(buildIndex(again)).rejects.toMatchObject({ code: 'already_exists' });
    await expect(buildIndex(again)).rejects.toThrow(
      /index: holds an index already; give another directory, or --replace/,
    );
    const open = await openIndex(target());
    const replaced = await buildIndex({ ...again, replace: true });
    expect(indexVersionOf(replaced)).not.toBe(indexVersionOf(old));
    // Anyone who has the old one open reads on.
    expect(createIndexReader(open).card(9).id).toBe('p9');
    closeIndex(open);
    expect(await readdir(directory)).toEqual(['corpus.jsonl', 'index']);

    await mkdir(join(directory, 'other'));
    await writeFile(join(directory, 'other/mine'), 'x');
    await expect(buildIndex({ ...again, directory: join(directory, 'other'), replace: true })).rejects.toThrow(
      /holds other files/,
    );
    await expect(buildIndex({ ...again, directory: corpusPath })).rejects.toThrow(/is not a directory/);
  });

  test.each([
    [{ k1: -1 }, /^k1: /],
    [{ b: 1.5 }, /^b: /],
    [{ titleBoost: 0 }, /^titleBoost: /],
    [{ chunk: { words: 100, overlap: 80 } }, /overlap: give at most half of words/],
    [{ memoryBytes: 5 }, /^memoryBytes: /],
  ])('refuses the settings %j', async (settings, message) => {
    const build = buildIndex({ corpusPath: await corpusOf(row('a', 'x')), directory: target(), settings });
    await expect(build).rejects.toThrow(message);
    await expect(build).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});

describe('a build that fails', () => {
  const leavesNothing = async (): Promise<void> =>
    expect((await readdir(directory)).filter((name) => name !== 'corpus.jsonl')).toEqual([]);

  test.each([
    ['{"id": "b"', /corpus\.jsonl:2: not valid JSON/],
    ['{"text": "x"}', /:2: id: missing/],
    ['{"id": "b"}', /:2: contents: missing/],
    ['{"id": "a", "text": "again"}', /:2: id: "a" stands on line 1 already/],
    ['{"id": "\\ud800", "text": "x"}', /:2: id: holds half of a surrogate pair/],
  ])('by the line %s names file, line and field, and leaves nothing behind', async (line, message) => {
    const corpusPath = await corpusOf(`${row('a', 'x')}\n${line}\n`);
    const build = buildIndex({ corpusPath, directory: target(), settings: {} });
    await expect(build).rejects.toThrow(message);
    await leavesNothing();
  });

  test('because the corpus is empty or missing says so, and leaves nothing behind', async () => {
    const corpusPath = await corpusOf('\n \n');
    await expect(buildIndex({ corpusPath, directory: target(), settings: {} })).rejects.toThrow(/holds no documents;/);
    await writeFile(corpusPath, 'x\ny');
    const skipping = buildIndex({ corpusPath, directory: target(), settings: { onBadLine: 'skip' } });
    await expect(skipping).rejects.toThrow(/holds no documents \(2 bad lines were skipped\)/);
    const missing = buildIndex({ corpusPath: join(directory, 'no'), directory: target(), settings: {} });
    await expect(missing).rejects.toMatchObject({ code: 'not_found' });
    await leavesNothing();
  });

  test.each(['reading', 'merging'] as const)(
    'because it is cancelled while %s leaves nothing behind',
    async (phase) => {
      const corpusPath = await corpusOf(manyPages(12_000));
      const stopping = new AbortController();
      const build = buildIndex({
        corpusPath,
        directory: target(),
        settings: {},
        signal: stopping.signal,
        onProgress: (at) => at.phase === phase && stopping.abort(),
      });
      await expect(build).rejects.toMatchObject({ name: 'CancelledError' });
      await leavesNothing();
    },
  );
});

describe('a corpus with bad lines', () => {
  test('is indexed without them when that is asked for, with their count and the first ten in the manifest', async () => {
    const bad = ['{', '[]', '{"id": "a", "text": "again"}', ...Array<string>(9).fill('null')];
    const bytes = Buffer.concat([
      Buffer.from(`${row('a', 'first')}\n${bad.join('\n')}\n`),
      Buffer.from([0x22, 0xff, 0x0a]),
      Buffer.from(row('b', 'second')),
    ]);
    const data = await indexCorpus(await corpusOf(bytes), { onBadLine: 'skip' });
    const { badLines, corpus } = data.manifest;
    expect(corpus).toMatchObject({ pages: 2 });
    expect(badLines.count).toBe(13);
    expect(badLines.first).toHaveLength(10);
    expect(badLines.first[0]?.problem).toMatch(/^not valid JSON/);
    expect(badLines.first[2]).toEqual({ line: 4, problem: 'id: "a" stands on line 1 already; ids must be unique' });
    const reader = createIndexReader(data);
    expect(reader.search('again', 5).passages).toHaveLength(0);
    expect([...reader.search('second', 5).passages]).toEqual([1]);
    closeIndex(data);
  });

  test('skips a line that is too long without keeping it', async () => {
    const corpusPath = await corpusOf(`{"id": "x", "text": "${'long '.repeat(15_000_000)}"}\n${row('b', 'second')}`);
    const data = await indexCorpus(corpusPath, { onBadLine: 'skip' });
    expect(data.manifest.badLines.first).toEqual([
      { line: 1, problem: expect.stringMatching(/^the line is longer than 67108864 bytes/) },
    ]);
    expect(data.manifest.corpus.pages).toBe(1);
    closeIndex(data);
    await expect(indexCorpus(corpusPath, {})).rejects.toThrow(/corpus\.jsonl:1: the line is longer/);
  });

  test('with a page of many megabytes counts its words as if they came in pieces', async () => {
    const words = Array.from({ length: 1_000_000 }, (_, at) => `word${at % 1000}`);
    const data = await indexCorpus(await corpusOf(row('long', words.join(' '))), { memoryBytes: 1024 * 1024 });
    expect(data.manifest).toMatchObject({ words: 1_000_000, terms: 1000, postings: 1000 });
    closeIndex(data);
  });
});
