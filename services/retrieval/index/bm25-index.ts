import type { Analyzer } from '../analyzer/analyzer.ts';
import { createGrowingArray } from './growing-array.ts';
import { createTopK, type ScoredDocument } from './top-k.ts';

export interface Bm25Options {
  readonly analyzer: Analyzer;
  /** Saturation of the term frequency, >= 0. */
  readonly k1: number;
  /** Strength of the length normalisation, 0..1. */
  readonly b: number;
}

/** Immutable. `search` is synchronous and not re-entrant: it reuses one score per document. */
export interface Bm25Index {
  readonly documents: number;
  readonly terms: number;
  readonly postings: number;
  /** The exact k best documents that hold a term of the query, best first; equal scores in corpus order. */
  search(query: string, k: number): readonly ScoredDocument[];
}

/**
 * BM25 as Lucene computes it (since 8.0, without the constant factor k1 + 1):
 *
 *     score(q, d) = sum over query words t of  idf(t) * tf / (tf + k1 * (1 - b + b * |d| / avg|d|))
 *     idf(t) = ln(1 + (N - df + 0.5) / (df + 0.5))
 *
 * A word that stands twice in the query counts twice. Document lengths are exact (Lucene rounds them to a byte).
 */
export function createBm25Builder(options: Bm25Options): { add(text: string): void; build(): Bm25Index } {
  const termIds = new Map<string, number>();
  const lengths = createGrowingArray();
  // One entry per (document, term) pair, in document order.
  const entryTerms = createGrowingArray();
  const entryFrequencies = createGrowingArray();
  const entriesOfDocument = createGrowingArray();

  return {
    add(text) {
      const words = options.analyzer(text);
      const counts = new Map<number, number>();
      for (const word of words) {
        let id = termIds.get(word);
        if (id === undefined) {
          id = termIds.size;
          termIds.set(word, id);
        }
        counts.set(id, (counts.get(id) ?? 0) + 1);
      }
      for (const [id, count] of counts) {
        entryTerms.push(id);
        entryFrequencies.push(count);
      }
      entriesOfDocument.push(counts.size);
      lengths.push(words.length);
    },
    build() {
      const postings = sortByTerm(
        termIds.size,
        entryTerms.view(),
        entryFrequencies.view(),
        entriesOfDocument.view(),
      );
      return createIndex(options, termIds, lengths.view().slice(), postings);
    },
  };
}

/** The postings of term t lie at offsets[t] .. offsets[t + 1], documents ascending. */
interface Postings {
  readonly offsets: Uint32Array;
  readonly documents: Uint32Array;
  readonly frequencies: Uint32Array;
}

function sortByTerm(
  terms: number,
  entryTerms: Uint32Array,
  entryFrequencies: Uint32Array,
  entriesOfDocument: Uint32Array,
): Postings {
  const offsets = new Uint32Array(terms + 1);
  for (const term of entryTerms) offsets[term + 1] = (offsets[term + 1] ?? 0) + 1;
  for (let term = 0; term < terms; term += 1) offsets[term + 1] = (offsets[term + 1] ?? 0) + (offsets[term] ?? 0);
  const next = offsets.slice(0, terms);
  const documents = new Uint32Array(entryTerms.length);
  const frequencies = new Uint32Array(entryTerms.length);
  let entry = 0;
  for (let document = 0; document < entriesOfDocument.length; document += 1) {
    const end = entry + (entriesOfDocument[document] ?? 0);
    for (; entry < end; entry += 1) {
      const term = entryTerms[entry] ?? 0;
      const at = next[term] ?? 0;
      next[term] = at + 1;
      documents[at] = document;
      frequencies[at] = entryFrequencies[entry] ?? 0;
    }
  }
  return { offsets, documents, frequencies };
}

function createIndex(
  { analyzer, k1, b }: Bm25Options,
  termIds: ReadonlyMap<string, number>,
  lengths: Uint32Array,
  { offsets, documents, frequencies }: Postings,
): Bm25Index {
  const count = lengths.length;
  let words = 0;
  for (const length of lengths) words += length;
  const meanLength = words / count;
  // k1 * (1 - b + b * |d| / avg|d|); a corpus without a word has no postings, so its NaN is never read.
  const penalties = Float64Array.from(lengths, (length) => k1 * (1 - b + (b * length) / meanLength));
  const scores = new Float64Array(count);
  const touched = new Uint32Array(count);

  return {
    documents: count,
    terms: termIds.size,
    postings: documents.length,
    search(query, k) {
      const frequencyInQuery = new Map<number, number>();
      for (const word of analyzer(query)) {
        const id = termIds.get(word);
        if (id !== undefined) frequencyInQuery.set(id, (frequencyInQuery.get(id) ?? 0) + 1);
      }
      let matches = 0;
      for (const [term, times] of frequencyInQuery) {
        const start = offsets[term] ?? 0;
        const end = offsets[term + 1] ?? 0;
        const weight = times * Math.log(1 + (count - (end - start) + 0.5) / (end - start + 0.5));
        for (let at = start; at < end; at += 1) {
          const document = documents[at] ?? 0;
          const frequency = frequencies[at] ?? 0;
          const before = scores[document] ?? 0;
          // Every contribution is > 0, so 0 means that the document was not seen yet.
          if (before === 0) {
            touched[matches] = document;
            matches += 1;
          }
          scores[document] = before + (weight * frequency) / (frequency + (penalties[document] ?? 0));
        }
      }
      const best = createTopK(Math.min(k, matches));
      for (let at = 0; at < matches; at += 1) {
        const document = touched[at] ?? 0;
        best.offer(document, scores[document] ?? 0);
        scores[document] = 0;
      }
      return best.take();
    },
  };
}
