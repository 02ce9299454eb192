import { createAnalyzer } from '../analyzer/analyzer.ts';
import type { IndexData, LexicalArrays } from './open-index.ts';
import { findSlot, hashBytes } from './hash-slots.ts';

/** Bounds are sums in another order than scores; this much relative slack covers the rounding. */
export const boundSlack = 1 + 1e-9;

/** A word of a query, and how far its postings have been read. */
export interface QueryTerm {
  /** idf times the count in the query. */
  readonly weight: number;
  /** No passage of the window that is looked at gets more than this from the term. */
  bound: number;
  readonly postings: number;
  /** The last block that begins at or before the window. */
  block: number;
  readonly blockEnd: number;
}

/** The known words of a query, those first that can give a passage the most. */
export function createQueryTerms({ arrays, manifest }: IndexData): (query: string) => QueryTerm[] {
  const termBlocks = arrays['terms.blocks'];
  const termBounds = arrays['terms.bounds'];
  const starts = arrays['blocks.starts'];
  const { passages } = manifest.corpus;
  const analyzer = createAnalyzer(manifest.settings.analyzer);
  const termOf = createTermLookup(arrays);
  return (query) => {
    const times = new Map<number, number>();
    for (const word of analyzer(query)) {
      const term = termOf(word);
      if (term >= 0) times.set(term, (times.get(term) ?? 0) + 1);
    }
    const terms: QueryTerm[] = [];
    for (const [term, inQuery] of times) {
      const block = termBlocks[term] ?? 0;
      const blockEnd = termBlocks[term + 1] ?? 0;
      const postings = (starts[blockEnd] ?? 0) - (starts[block] ?? 0);
      const weight = inQuery * Math.log(1 + (passages - postings + 0.5) / (postings + 0.5));
      terms.push({ weight, bound: weight * (termBounds[term] ?? 0) * boundSlack, postings, block, blockEnd });
    }
    return terms.sort((one, other) => other.bound - one.bound || one.block - other.block);
  };
}

/** The number of a term, or -1. Reuses its buffer. */
export function createTermLookup(arrays: LexicalArrays): (term: string) => number {
  const text = arrays['terms.text'];
  const offsets = arrays['terms.offsets'];
  const slots = arrays['terms.slots'];
  // A term has at most 255 UTF-16 units, each at most three bytes.
  const buffer = Buffer.alloc(1024);
  let length = 0;

  const matches = (entry: number): boolean => {
    const start = offsets[entry] ?? 0;
    if ((offsets[entry + 1] ?? 0) - start !== length) return false;
    for (let at = 0; at < length; at += 1) if (text[start + at] !== buffer[at]) return false;
    return true;
  };
  return (term) => {
    length = buffer.write(term);
    return findSlot(slots, hashBytes(buffer, 0, length), matches);
  };
}
