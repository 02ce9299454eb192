import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Document } from '../corpus/parse-document.ts';
import { rankByFormula } from './bm25-formula.ts';
import { indexCorpus } from './index-corpus.ts';
import { createIndexReader, type IndexReader } from './index-reader.ts';
import type { IndexSettingsInput } from './manifest.ts';
import { closeIndex, openIndex } from './open-index.ts';
import { buildIndex } from './build-index.ts';

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradus-bm25-'));
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function withIndex<T>(
  documents: readonly Document[],
  settings: IndexSettingsInput,
  use: (reader: IndexReader) => T,
): Promise<T> {
  const corpus = join(directory, 'corpus.jsonl');
  await writeFile(corpus, documents.map((document) => JSON.stringify(document)).join('\n'));
  const data = await indexCorpus(corpus, settings);
  try {
    return use(createIndexReader(data));
  } finally {
    closeIndex(data);
  }
}

const pagesOf = (texts: readonly string[]): Document[] =>
  texts.map((text, index) => ({ id: String(index), title: '', text }));
const passagesOf = (reader: IndexReader, query: string, k: number): number[] => [...reader.search(query, k).passages];
const scoresOf = (reader: IndexReader, query: string, k: number): number[] => [...reader.search(query, k).scores];

describe('BM25', () => {
  const texts = ['red apple', 'red red wine', 'green apple tart recipe', 'blue sky'];

  test('gives the scores computed by hand', async () => {
    // N = 4, lengths 2 3 4 2, mean 2.75; df(red) = 2: idf = ln(1 + 2.5 / 2.5) = ln 2; df(apple) = 2 as well.
    // Penalties 1.2 * (0.25 + 0.75 * |d| / 2.75): 0.9545454…, 1.2818181…, 1.6090909….
    await withIndex(pagesOf(texts), {}, (reader) => {
      expect(passagesOf(reader, 'red apple', 10)).toEqual([0, 1, 2]);
      const [first, second, third] = scoresOf(reader, 'red apple', 10);
      expect(first).toBeCloseTo((2 * Math.LN2) / (1 + 0.9545454545454546), 12);
      expect(second).toBeCloseTo((2 * Math.LN2) / (2 + 1.2818181818181817), 12);
      expect(third).toBeCloseTo(Math.LN2 / (1 + 1.609090909090909), 12);
      expect(first).toBeCloseTo(0.7092668, 6);
      expect(second).toBeCloseTo(0.4224165, 6);
      expect(third).toBeCloseTo(0.2656662, 6);
    });
  });

  test('counts a word twice that stands twice in the query', async () => {
    await withIndex(pagesOf(texts), {}, (reader) => {
      expect(scoresOf(reader, 'sky sky', 1)[0]).toBeCloseTo(2 * (scoresOf(reader, 'sky', 1)[0] ?? NaN), 12);
    });
  });

  test('follows k1 and b: with k1 = 0 every match is worth its idf', async () => {
    await withIndex(pagesOf(texts), { k1: 0, b: 0 }, (reader) => {
      expect(scoresOf(reader, 'red', 10)).toEqual([Math.LN2, Math.LN2]);
    });
  });

  test('breaks ties by the order of the corpus', async () => {
    await withIndex(pagesOf(['same words', 'other', 'same words', 'same words']), {}, (reader) => {
      expect(passagesOf(reader, 'same', 2)).toEqual([0, 2]);
      expect(passagesOf(reader, 'words same', 3)).toEqual([0, 2, 3]);
    });
  });

  test('finds nothing for a query without known words, and nothing for k = 0', async () => {
    await withIndex(pagesOf(texts), {}, (reader) => {
      for (const query of ['', '   ', 'unknown', '\u0000', '🎉', 'x'.repeat(8192)])
        expect(passagesOf(reader, query, 5)).toEqual([]);
      expect(passagesOf(reader, 'red', 0)).toEqual([]);
    });
  });

  test('gives fewer than k when fewer match, never a passage twice', async () => {
    await withIndex(pagesOf(texts), {}, (reader) => expect(passagesOf(reader, 'red', 100)).toEqual([1, 0]));
  });

  test('answers a query the same after any other query', async () => {
    await withIndex(pagesOf(texts), {}, (reader) => {
      const first = reader.search('red apple tart', 2);
      reader.search('sky green wine recipe', 3);
      expect(reader.search('red apple tart', 2)).toEqual(first);
    });
  });

  test('holds passages without words', async () => {
    await withIndex(pagesOf(['', '...', 'word']), {}, (reader) => expect(passagesOf(reader, 'word', 3)).toEqual([2]));
    await withIndex(pagesOf(['', '']), {}, (reader) => expect(passagesOf(reader, 'word', 3)).toEqual([]));
  });

  test('counts a word that stands a thousand times in a passage a thousand times', async () => {
    const documents = pagesOf(['often '.repeat(1000), 'often', 'often '.repeat(255), 'rare']);
    await withIndex(documents, {}, (reader) => {
      const expected = rankByFormula(documents, 'often rare', { k1: 1.2, b: 0.75, titleBoost: 1 });
      expect(passagesOf(reader, 'often rare', 4)).toEqual(expected.map(({ passage }) => passage));
      scoresOf(reader, 'often rare', 4).forEach((score, rank) =>
        expect(score).toBeCloseTo(expected[rank]?.score ?? NaN, 12),
      );
    });
  });
});

describe('search over an index', () => {
  // Word w<n> comes up about half as often as w<n-1>: common words with long lists, and rare ones.
  const word = fc.double({ min: 0, max: 0.999, noNaN: true }).map((u) => `w${Math.floor(-Math.log2(1 - u))}`);
  const words = fc.array(word, { maxLength: 12 }).map((list) => list.join(' '));
  const corpus = fc
    .array(fc.record({ title: fc.array(word, { maxLength: 2 }).map((list) => list.join(' ')), text: words }), {
      minLength: 1,
      maxLength: 60,
    })
    .map((rows): Document[] => rows.map((row, index) => ({ ...row, id: String(index) })));
  const settings = fc.record({
    k1: fc.constantFrom(0, 0.9, 1.2, 3),
    b: fc.constantFrom(0, 0.4, 0.75, 1),
    titleBoost: fc.constantFrom(1, 2, 3),
  });
  const other = fc.record({ k1: fc.constantFrom(0.9, 2), b: fc.constantFrom(0.4, 1) });

  const matches = (
    reader: IndexReader,
    documents: readonly Document[],
    query: string,
    k: number,
    by: Parameters<typeof rankByFormula>[2],
  ): void => {
    const expected = rankByFormula(documents, query, by);
    const found = reader.search(query, k);
    expect(found.passages.length).toBe(Math.min(k, expected.length));
    expect(new Set(found.passages).size).toBe(found.passages.length);
    const scoreOf = new Map(expected.map(({ passage, score }) => [passage, score]));
    found.scores.forEach((score, rank) => {
      expect(score).toBeCloseTo(expected[rank]?.score ?? NaN, 9);
      expect(score).toBeCloseTo(scoreOf.get(found.passages[rank] ?? -1) ?? NaN, 9);
      const same = rank > 0 && found.scores[rank - 1] === score;
      if (same) expect(found.passages[rank]).toBeGreaterThan(found.passages[rank - 1] ?? Infinity);
    });
  };

  test('equals the formula on any corpus, query and k, also with another k1 and b than it was built for', async () => {
    await fc.assert(
      fc.asyncProperty(
        corpus,
        fc.array(words, { maxLength: 8 }),
        fc.integer({ min: 1, max: 12 }),
        settings,
        other,
        async (documents, queries, k, by, otherBy) => {
          const corpusPath = join(directory, 'any.jsonl');
          await writeFile(corpusPath, documents.map((document) => JSON.stringify(document)).join('\n'));
          const target = await mkdtemp(join(directory, 'any-'));
          await buildIndex({ corpusPath, directory: target, settings: by });
          for (const options of [{}, otherBy]) {
            const data = await openIndex(target, options);
            const reader = createIndexReader(data);
            for (const query of queries) matches(reader, documents, query, k, { ...by, ...options });
            closeIndex(data);
          }
          await rm(target, { recursive: true });
        },
      ),
      { numRuns: 100 },
    );
  });

  test('passages with the same words have the same score, wherever they stand', async () => {
    // More than one window and block, so that terms are counted in some windows and looked up in others.
    const shapes = ['w0 w1 w2', 'w0 w0 w3 w4', 'w1 w3 w5 w6 w0', 'w2 w4', 'w0 w1 w2 w3 w4 w5 w6'];
    const documents = Array.from({ length: 40_000 }, (_, index) => ({
      id: String(index),
      title: '',
      text: shapes[(index * 7 + (index >>> 5)) % shapes.length] ?? '',
    }));
    await withIndex(documents, {}, (reader) => {
      const all = reader.search('w0 w1 w2 w3 w4 w5 w6', documents.length);
      const scoreOf = new Map<string, number>();
      all.passages.forEach((passage, rank) => {
        const { text } = documents[passage] ?? { text: '' };
        expect(all.scores[rank]).toBe(scoreOf.get(text) ?? all.scores[rank]);
        scoreOf.set(text, all.scores[rank] ?? NaN);
      });
      expect(all.passages.length).toBe(documents.length);
      for (const k of [1, 10, 1000, 20_000])
        expect(passagesOf(reader, 'w0 w1 w2 w3 w4 w5 w6', k)).toEqual([...all.passages.subarray(0, k)]);
    });
  });
});
