import type { IndexData } from './open-index.ts';
import { escapedFrequency } from './postings-writer.ts';
import { boundSlack, type QueryTerm } from './query-terms.ts';
import { createTopK, type TopK } from './top-k.ts';

/** Passages that are scored together: their scores fit into a core's cache. */
export const windowPassages = 16_384;

/**
 * Scores of the passages from..to, at most `windowPassages` of them, summed term by term. First terms are counted for
 * every passage that holds them; after `select` only passages that can still reach the threshold are looked up.
 */
export interface ScoreWindow {
  open(from: number, to: number): void;
  /** Sets a term's bound to the most that a passage of the window can get from it. */
  setBound(term: QueryTerm): void;
  /** Counts a term for every passage of the window that holds it; gives how many these are. */
  countEverywhere(term: QueryTerm): number;
  /** The k-th best score so far; what follows only adds to scores. 0 where there are fewer. */
  threshold(k: number): number;
  /** From here on those passages are candidates that can reach the threshold when they gain `left` more. */
  select(left: number, threshold: number): void;
  /** Counts a term for the candidates, and drops those that cannot reach the threshold when they gain `left` more. */
  countAmong(term: QueryTerm, left: number, threshold: number): void;
  candidates(): number;
  /** Offers the candidates, and is empty again. */
  offerTo(best: TopK): void;
}

export function createScoreWindow({ arrays, penalties }: IndexData): ScoreWindow {
  const bases = arrays['blocks.bases'];
  const starts = arrays['blocks.starts'];
  const blockBounds = arrays['blocks.bounds'];
  const passages = arrays['postings.passages'];
  const frequencies = arrays['postings.frequencies'];
  const escapes = arrays['postings.escapes'];
  // Of all passages of the window; all zero before the first term.
  const scores = new Float64Array(windowPassages);
  const touched = new Uint32Array(windowPassages / 32);
  // Of the candidates, in the order of the corpus.
  const offsets = new Uint32Array(windowPassages);
  const sums = new Float64Array(windowPassages);
  let selected = -1;
  let from = 0;
  let to = 0;

  /** First posting of start..end whose passage is at least `offset` above its block's base. */
  function firstAtLeast(offset: number, start: number, end: number): number {
    let low = start;
    let high = end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((passages[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** `tf / (tf + penalty)` of a posting. */
  function saturation(posting: number, passage: number): number {
    const byte = frequencies[posting] ?? 0;
    const frequency = byte === escapedFrequency ? findEscape(escapes, posting) : byte;
    return frequency / (frequency + (penalties[passage] ?? 0));
  }

  function select(left: number, threshold: number): void {
    const least = threshold / boundSlack - left;
    selected = 0;
    for (let word = 0; word < touched.length; word += 1) {
      let bits = touched[word] ?? 0;
      touched[word] = 0;
      for (; bits !== 0; bits &= bits - 1) {
        const offset = word * 32 + (31 - Math.clz32(bits & -bits));
        const sum = scores[offset] ?? 0;
        scores[offset] = 0;
        if (sum < least) continue;
        offsets[selected] = offset;
        sums[selected] = sum;
        selected += 1;
      }
    }
  }

  return {
    open(first, end) {
      from = first;
      to = end;
      selected = -1;
    },
    setBound(term) {
      let { block } = term;
      while (block + 1 < term.blockEnd && (bases[block + 1] ?? 0) <= from) block += 1;
      term.block = block;
      let most = 0;
      for (; block < term.blockEnd && (bases[block] ?? 0) < to; block += 1) {
        const bound = blockBounds[block] ?? 0;
        if (bound > most) most = bound;
      }
      term.bound = term.weight * most * boundSlack;
    },
    countEverywhere({ weight, block: first, blockEnd }) {
      let counted = 0;
      for (let block = first; block < blockEnd; block += 1) {
        const base = bases[block] ?? 0;
        if (base >= to) break;
        let start = starts[block] ?? 0;
        let end = starts[block + 1] ?? 0;
        if (base < from) start = firstAtLeast(from - base, start, end);
        if (base + (passages[end - 1] ?? 0) >= to) end = firstAtLeast(to - base, start, end);
        for (let at = start; at < end; at += 1) {
          const passage = base + (passages[at] ?? 0);
          const offset = passage - from;
          const word = offset >>> 5;
          touched[word] = (touched[word] ?? 0) | (1 << offset);
          scores[offset] = (scores[offset] ?? 0) + weight * saturation(at, passage);
        }
        counted += end - start;
      }
      return counted;
    },
    threshold(k) {
      const best = createTopK(k);
      if (selected >= 0) {
        for (let at = 0; at < selected; at += 1) best.offer(at, sums[at] ?? 0);
        return best.threshold();
      }
      for (let word = 0; word < touched.length; word += 1) {
        for (let bits = touched[word] ?? 0; bits !== 0; bits &= bits - 1) {
          const offset = word * 32 + (31 - Math.clz32(bits & -bits));
          best.offer(offset, scores[offset] ?? 0);
        }
      }
      return best.threshold();
    },
    select,
    countAmong({ weight, block: first, blockEnd, bound }, left, threshold) {
      const least = threshold / boundSlack;
      let kept = 0;
      let block = first;
      let base = bases[block] ?? 0;
      let next = block + 1 < blockEnd ? (bases[block + 1] ?? 0) : Infinity;
      let start = starts[block] ?? 0;
      let end = starts[block + 1] ?? 0;
      let most = weight * (blockBounds[block] ?? 0) * boundSlack;
      for (let at = 0; at < selected; at += 1) {
        let sum = sums[at] ?? 0;
        if (sum + bound + left < least) continue;
        const offset = offsets[at] ?? 0;
        const passage = from + offset;
        if (passage >= next) {
          do {
            block += 1;
            next = block + 1 < blockEnd ? (bases[block + 1] ?? 0) : Infinity;
          } while (passage >= next);
          base = bases[block] ?? 0;
          start = starts[block] ?? 0;
          end = starts[block + 1] ?? 0;
          most = weight * (blockBounds[block] ?? 0) * boundSlack;
        }
        if (passage >= base) {
          if (sum + most + left < least) continue;
          start = firstAtLeast(passage - base, start, end);
          if (start < end && base + (passages[start] ?? 0) === passage) sum += weight * saturation(start, passage);
        }
        if (sum + left < least) continue;
        offsets[kept] = offset;
        sums[kept] = sum;
        kept += 1;
      }
      selected = kept;
    },
    candidates: () => Math.max(0, selected),
    offerTo(best) {
      if (selected < 0) select(0, 0);
      for (let at = 0; at < selected; at += 1) best.offer(from + (offsets[at] ?? 0), sums[at] ?? 0);
      selected = -1;
    },
  };
}

/** The frequency of a posting whose byte says that it does not fit: `escapes` holds pairs, ascending by posting. */
export function findEscape(escapes: Uint32Array, posting: number): number {
  let low = 0;
  let high = escapes.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((escapes[2 * middle] ?? 0) < posting) low = middle + 1;
    else high = middle;
  }
  return escapes[2 * low + 1] ?? 0;
}
