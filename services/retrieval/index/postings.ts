import { createGrowingArray } from './growing-array.ts';

/** Which documents hold which term, and how often. The postings of term t lie at offsets[t] .. offsets[t + 1]. */
export interface Postings {
  readonly offsets: Uint32Array;
  /** Ascending within a term. */
  readonly documents: Uint32Array;
  readonly frequencies: Uint32Array;
}

export interface PostingsBuilder {
  /** The words of the next document, as ids; repeats count. */
  addDocument(termIds: readonly number[]): void;
  build(terms: number): { readonly postings: Postings; readonly lengths: Uint32Array };
}

/** Gathers (document, term) pairs in document order and sorts them by term at the end, by counting. */
export function createPostingsBuilder(): PostingsBuilder {
  const pairTerms = createGrowingArray();
  const pairFrequencies = createGrowingArray();
  const pairsOfDocument = createGrowingArray();
  const lengths = createGrowingArray();

  return {
    addDocument(termIds) {
      const counts = new Map<number, number>();
      for (const id of termIds) counts.set(id, (counts.get(id) ?? 0) + 1);
      for (const [id, count] of counts) {
        pairTerms.push(id);
        pairFrequencies.push(count);
      }
      pairsOfDocument.push(counts.size);
      lengths.push(termIds.length);
    },
    build: (terms) => ({
      postings: sortByTerm(terms, pairTerms.view(), pairFrequencies.view(), pairsOfDocument.view()),
      lengths: lengths.view().slice(),
    }),
  };
}

function sortByTerm(
  terms: number,
  pairTerms: Uint32Array,
  pairFrequencies: Uint32Array,
  pairsOfDocument: Uint32Array,
): Postings {
  const offsets = new Uint32Array(terms + 1);
  for (const term of pairTerms) offsets[term + 1] = (offsets[term + 1] ?? 0) + 1;
  for (let term = 0; term < terms; term += 1) offsets[term + 1] = (offsets[term + 1] ?? 0) + (offsets[term] ?? 0);
  const next = offsets.slice(0, terms);
  const documents = new Uint32Array(pairTerms.length);
  const frequencies = new Uint32Array(pairTerms.length);
  let pair = 0;
  for (let document = 0; document < pairsOfDocument.length; document += 1) {
    const end = pair + (pairsOfDocument[document] ?? 0);
    for (; pair < end; pair += 1) {
      const term = pairTerms[pair] ?? 0;
      const at = next[term] ?? 0;
      next[term] = at + 1;
      documents[at] = document;
      frequencies[at] = pairFrequencies[pair] ?? 0;
    }
  }
  return { offsets, documents, frequencies };
}

/** Position of `document` in documents[start .. end), or -1. */
export function findPosting(documents: Uint32Array, start: number, end: number, document: number): number {
  let low = start;
  let high = end;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((documents[middle] ?? 0) < document) low = middle + 1;
    else high = middle;
  }
  return low < end && documents[low] === document ? low : -1;
}
