import type { Analyzer } from '../analyzer/analyzer.ts';
import { createPostingsBuilder, findPosting, type Postings } from './postings.ts';
import { createTopK, type ScoredDocument, type TopK } from './top-k.ts';

export interface Bm25Options {
  readonly analyzer: Analyzer;
  /** Saturation of the term frequency, >= 0. */
  readonly k1: number;
  /** Strength of the length normalisation, 0..1. */
  readonly b: number;
}

/** Immutable. `search` is synchronous and reuses its buffers, so one index belongs to one thread. */
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
  const builder = createPostingsBuilder();
  const idOf = (term: string): number => {
    const known = termIds.get(term);
    if (known !== undefined) return known;
    termIds.set(term, termIds.size);
    return termIds.size - 1;
  };
  return {
    add: (text) => builder.addDocument(options.analyzer(text).map(idOf)),
    build() {
      const { postings, lengths } = builder.build(termIds.size);
      return createIndex(options, termIds, postings, lengths);
    },
  };
}

/** A term of a query with its postings. */
interface QueryTerm {
  readonly start: number;
  readonly end: number;
  /** idf times the count in the query. */
  readonly weight: number;
  /** No document gets more than this from the term. */
  readonly bound: number;
}

/** Bounds are sums in another order than scores; this much relative slack covers the rounding. */
const boundSlack = 1 + 1e-9;

function createIndex(
  { analyzer, k1, b }: Bm25Options,
  termIds: ReadonlyMap<string, number>,
  postings: Postings,
  lengths: Uint32Array,
): Bm25Index {
  const { offsets, documents, frequencies } = postings;
  const count = lengths.length;
  const meanLength = lengths.reduce((sum, length) => sum + length, 0) / count;
  // A corpus without a word has no postings, so its NaN is never read.
  const penalties = Float64Array.from(lengths, (length) => k1 * (1 - b + (b * length) / meanLength));
  const saturation = (at: number): number => {
    const frequency = frequencies[at] ?? 0;
    return frequency / (frequency + (penalties[documents[at] ?? 0] ?? 0));
  };
  const maxSaturations = new Float64Array(termIds.size);
  for (let term = 0; term < maxSaturations.length; term += 1) {
    let most = 0;
    for (let at = offsets[term] ?? 0; at < (offsets[term + 1] ?? 0); at += 1) most = Math.max(most, saturation(at));
    maxSaturations[term] = most;
  }
  // Reused by every search; all zero between two of them.
  const scores = new Float64Array(count);
  const touched = new Uint32Array(count);

  function queryTerms(query: string): QueryTerm[] {
    const times = new Map<number, number>();
    for (const word of analyzer(query)) {
      const id = termIds.get(word);
      if (id !== undefined) times.set(id, (times.get(id) ?? 0) + 1);
    }
    const terms = [...times].map(([term, inQuery]) => {
      const start = offsets[term] ?? 0;
      const end = offsets[term + 1] ?? 0;
      const weight = inQuery * Math.log(1 + (count - (end - start) + 0.5) / (end - start + 0.5));
      return { start, end, weight, bound: weight * (maxSaturations[term] ?? 0) };
    });
    return terms.sort((one, other) => other.bound - one.bound || one.start - other.start);
  }

  /** Counts the term for every document that holds it; gives the number of documents touched so far. */
  function countEverywhere({ start, end, weight }: QueryTerm, touchedBefore: number): number {
    let matches = touchedBefore;
    for (let at = start; at < end; at += 1) {
      const document = documents[at] ?? 0;
      const before = scores[document] ?? 0;
      // Every contribution is > 0, so 0 means that the document was not seen yet.
      if (before === 0) {
        touched[matches] = document;
        matches += 1;
      }
      scores[document] = before + weight * saturation(at);
    }
    return matches;
  }

  function countAmong(candidates: Uint32Array, { start, end, weight }: QueryTerm): void {
    for (let index = 0; index < candidates.length; index += 1) {
      const document = candidates[index] ?? 0;
      const at = findPosting(documents, start, end, document);
      if (at >= 0) scores[document] = (scores[document] ?? 0) + weight * saturation(at);
    }
  }

  function bestOf(among: Uint32Array, k: number): TopK {
    const best = createTopK(k);
    for (let index = 0; index < among.length; index += 1) {
      const document = among[index] ?? 0;
      best.offer(document, scores[document] ?? 0);
    }
    return best;
  }

  /**
   * Those of the documents seen that can be among the k best when none gains more than `left`; undefined while documents
   * that were not seen can be, too.
   */
  function candidatesAmong(seen: Uint32Array, k: number, left: number): Uint32Array | undefined {
    const least = bestOf(seen, k).worstScore();
    if (left >= least) return undefined;
    const candidates = new Uint32Array(seen.length);
    let size = 0;
    for (let index = 0; index < seen.length; index += 1) {
      const document = seen[index] ?? 0;
      if ((scores[document] ?? 0) + left < least) continue;
      candidates[size] = document;
      size += 1;
    }
    return candidates.subarray(0, size);
  }

  /**
   * Term by term, the most telling first. Once the terms that are left cannot lift a document that was not seen yet
   * above the k-th best of those seen (MaxScore, Turtle and Flood 1995), only documents that can still make it are
   * looked up in the long lists of common words. Exact: every document returned has all of its terms counted.
   */
  function search(query: string, limit: number): readonly ScoredDocument[] {
    const k = Math.min(limit, count);
    const terms = queryTerms(query);
    let left = terms.reduce((sum, { bound }) => sum + bound, 0) * boundSlack;
    let matches = 0;
    let candidates: Uint32Array | undefined;
    for (const term of terms) {
      // Looking for candidates costs about as much as counting for every document seen so far.
      if (candidates === undefined && matches >= k && term.end - term.start > matches) {
        candidates = candidatesAmong(touched.subarray(0, matches), k, left);
      } else if (candidates !== undefined) {
        candidates = candidatesAmong(candidates, k, left) ?? candidates;
      }
      if (candidates === undefined) matches = countEverywhere(term, matches);
      else countAmong(candidates, term);
      left -= term.bound;
    }
    const seen = touched.subarray(0, matches);
    const best = bestOf(candidates ?? seen, Math.min(k, matches)).take();
    for (let index = 0; index < matches; index += 1) scores[touched[index] ?? 0] = 0;
    return best;
  }

  return { documents: count, terms: termIds.size, postings: documents.length, search };
}
