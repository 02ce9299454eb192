import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createAnalyzer } from '../analyzer/analyzer.ts';
import { createBm25Builder, type Bm25Index } from './bm25-index.ts';

const analyzer = createAnalyzer('standard');

function indexOf(texts: readonly string[], k1 = 1.2, b = 0.75): Bm25Index {
  const builder = createBm25Builder({ analyzer, k1, b });
  for (const text of texts) builder.add(text);
  return builder.build();
}

/** The formula, document by document. */
function bruteForce(texts: readonly string[], query: string, k: number, k1: number, b: number) {
  const documents = texts.map((text) => analyzer(text));
  const mean = documents.reduce((sum, words) => sum + words.length, 0) / documents.length;
  const scored = documents.map((words, document) => {
    let score = 0;
    for (const term of analyzer(query)) {
      const tf = words.filter((word) => word === term).length;
      const df = documents.filter((other) => other.includes(term)).length;
      const idf = Math.log(1 + (documents.length - df + 0.5) / (df + 0.5));
      if (tf > 0) score += (idf * tf) / (tf + k1 * (1 - b + (b * words.length) / mean));
    }
    return { document, score };
  });
  return scored
    .filter(({ score }) => score > 0)
    .sort((one, other) => other.score - one.score)
    .slice(0, k);
}

describe('BM25', () => {
  const texts = ['red apple', 'red red wine', 'green apple tart recipe', 'blue sky'];

  test('gives the scores computed by hand', () => {
    // N = 4, lengths 2 3 4 2, mean 2.75; df(red) = 2: idf = ln(1 + 2.5 / 2.5) = ln 2; df(apple) = 2 as well.
    // Penalties 1.2 * (0.25 + 0.75 * |d| / 2.75): 0.9545454…, 1.2818181…, 1.6090909….
    const hits = indexOf(texts).search('red apple', 10);
    expect(hits.map(({ document }) => document)).toEqual([0, 1, 2]);
    expect(hits[0]?.score).toBeCloseTo((2 * Math.LN2) / (1 + 0.9545454545454546), 12);
    expect(hits[1]?.score).toBeCloseTo((2 * Math.LN2) / (2 + 1.2818181818181817), 12);
    expect(hits[2]?.score).toBeCloseTo(Math.LN2 / (1 + 1.609090909090909), 12);
    expect(hits[0]?.score).toBeCloseTo(0.7092668, 6);
    expect(hits[1]?.score).toBeCloseTo(0.4224165, 6);
    expect(hits[2]?.score).toBeCloseTo(0.2656662, 6);
  });

  test('counts a word twice that stands twice in the query', () => {
    const index = indexOf(texts);
    expect(index.search('sky sky', 1)[0]?.score).toBeCloseTo(2 * (index.search('sky', 1)[0]?.score ?? NaN), 12);
  });

  test('follows k1 and b: with k1 = 0 every match is worth its idf', () => {
    const hits = indexOf(texts, 0, 0).search('red', 10);
    expect(hits.map(({ score }) => score)).toEqual([Math.LN2, Math.LN2]);
  });

  test('breaks ties by the order of the corpus', () => {
    const index = indexOf(['same words', 'other', 'same words', 'same words']);
    expect(index.search('same', 2).map(({ document }) => document)).toEqual([0, 2]);
    expect(index.search('same', 3).map(({ document }) => document)).toEqual([0, 2, 3]);
  });

  test('finds nothing for a query without known words, and nothing for k = 0', () => {
    const index = indexOf(texts);
    for (const query of ['', '   ', 'unknown', '\u0000', '🎉']) expect(index.search(query, 5)).toEqual([]);
    expect(index.search('red', 0)).toEqual([]);
  });

  test('gives fewer than k when fewer match, never a document twice', () => {
    expect(
      indexOf(texts)
        .search('red', 100)
        .map(({ document }) => document),
    ).toEqual([1, 0]);
  });

  test('answers a query the same after any other query', () => {
    const index = indexOf(texts);
    const first = index.search('red apple tart', 2);
    index.search('sky green wine recipe', 3);
    expect(index.search('red apple tart', 2)).toEqual(first);
  });

  test('holds documents without words', () => {
    const index = indexOf(['', '...', 'word']);
    expect(index.documents).toBe(3);
    expect(index.search('word', 3).map(({ document }) => document)).toEqual([2]);
    expect(indexOf(['', '']).search('word', 3)).toEqual([]);
  });

  test('equals the formula on any corpus and query: pruning loses nothing', () => {
    // Word w<n> comes up about half as often as w<n-1>: common words with long lists, and rare ones.
    const word = fc.double({ min: 0, max: 0.999, noNaN: true }).map((u) => `w${Math.floor(-Math.log2(1 - u))}`);
    const corpus = fc.array(
      fc.array(word, { maxLength: 12 }).map((words) => words.join(' ')),
      { minLength: 1, maxLength: 60 },
    );
    const query = fc.array(word, { maxLength: 8 }).map((words) => words.join(' '));
    const k1 = fc.constantFrom(0, 0.9, 1.2, 3);
    const b = fc.constantFrom(0, 0.4, 0.75, 1);
    fc.assert(
      fc.property(corpus, query, fc.integer({ min: 1, max: 12 }), k1, b, (documents, asked, k, k1Value, bValue) => {
        const found = indexOf(documents, k1Value, bValue).search(asked, k);
        const expected = bruteForce(documents, asked, k, k1Value, bValue);
        expect(found.length).toBe(expected.length);
        found.forEach(({ score }, rank) => expect(score).toBeCloseTo(expected[rank]?.score ?? NaN, 9));
        expect(new Set(found.map(({ document }) => document)).size).toBe(found.length);
        const scoreOf = new Map(
          bruteForce(documents, asked, documents.length, k1Value, bValue).map((one) => [one.document, one.score]),
        );
        for (const { document, score } of found) expect(score).toBeCloseTo(scoreOf.get(document) ?? NaN, 9);
      }),
      { numRuns: 500 },
    );
  });
});
