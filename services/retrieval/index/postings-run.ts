import { createFileWriter } from './file-writer.ts';

/**
 * Postings of a stretch of passages, gathered in memory and written sorted by term. A run file is, term after term:
 * the length of the term in bytes, the term, the number of its postings, and for each the distance from the passage
 * before (the first: from 0) and the frequency; all numbers as varints.
 */
export interface PostingsRun {
  /** Whether a passage with so many words stays within the memory given. An empty run has room for any. */
  hasRoomFor(words: number): boolean;
  /** Begins a passage; they come in ascending order. */
  begin(passage: number): void;
  /** Adds words of the passage; gives how many. */
  add(words: readonly string[]): number;
  isEmpty(): boolean;
  /** Writes the run to a new file and empties it. */
  spill(path: string): void;
}

/** A term in a Map, its string, and its share of the arrays: an estimate. */
const bytesPerTerm = 160;
/** A pair in the order of passages, and again in the order of terms. */
const bytesPerPair = 24;

export function createPostingsRun(memoryBytes: number): PostingsRun {
  const most = Math.floor(memoryBytes / 2 / bytesPerPair);
  const mostTerms = Math.floor(memoryBytes / 2 / bytesPerTerm);
  let capacity = Math.min(most, 64 * 1024);
  let pairTerms = new Uint32Array(capacity);
  let pairPassages = new Uint32Array(capacity);
  let pairFrequencies = new Uint32Array(capacity);
  let pairs = 0;
  let passage = 0;
  let firstPair = 0;
  let terms = new Map<string, number>();
  /** Of each term: its latest pair, so that a word that comes again in a passage is counted there. */
  let latestPair = new Uint32Array(1024);

  const grow = (needed: number): void => {
    while (capacity < needed) capacity *= 2;
    const larger = (values: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> => {
      const copy = new Uint32Array(capacity);
      copy.set(values.subarray(0, pairs));
      return copy;
    };
    pairTerms = larger(pairTerms);
    pairPassages = larger(pairPassages);
    pairFrequencies = larger(pairFrequencies);
  };
  const termOf = (word: string): number => {
    const known = terms.get(word);
    if (known !== undefined) return known;
    const term = terms.size;
    if (term === latestPair.length) {
      const larger = new Uint32Array(2 * term);
      larger.set(latestPair);
      latestPair = larger;
    }
    // Beyond every pair, so that it is not a pair of the passage.
    latestPair[term] = 0xffff_ffff;
    terms.set(word, term);
    return term;
  };

  return {
    hasRoomFor: (words) => pairs === 0 || (pairs + words <= most && terms.size + words <= mostTerms),
    begin(next) {
      passage = next;
      firstPair = pairs;
    },
    add(words) {
      if (pairs + words.length > capacity) grow(pairs + words.length);
      for (const word of words) {
        const term = termOf(word);
        const latest = latestPair[term] ?? 0;
        if (latest >= firstPair && latest < pairs) {
          pairFrequencies[latest] = (pairFrequencies[latest] ?? 0) + 1;
        } else {
          pairTerms[pairs] = term;
          pairPassages[pairs] = passage;
          pairFrequencies[pairs] = 1;
          latestPair[term] = pairs;
          pairs += 1;
        }
      }
      return words.length;
    },
    isEmpty: () => pairs === 0,
    spill(path) {
      const starts = new Uint32Array(terms.size + 1);
      for (let pair = 0; pair < pairs; pair += 1) {
        const next = (pairTerms[pair] ?? 0) + 1;
        starts[next] = (starts[next] ?? 0) + 1;
      }
      for (let term = 0; term < terms.size; term += 1) starts[term + 1] = (starts[term + 1] ?? 0) + (starts[term] ?? 0);
      const next = starts.slice();
      const order = new Uint32Array(pairs);
      for (let pair = 0; pair < pairs; pair += 1) {
        const term = pairTerms[pair] ?? 0;
        const at = next[term] ?? 0;
        order[at] = pair;
        next[term] = at + 1;
      }
      const file = createFileWriter(path);
      try {
        for (const term of [...terms.keys()].sort()) {
          const number = terms.get(term) ?? 0;
          const from = starts[number] ?? 0;
          const to = starts[number + 1] ?? 0;
          const bytes = Buffer.from(term);
          file.varint(bytes.length);
          file.write(bytes);
          file.varint(to - from);
          let before = 0;
          for (let at = from; at < to; at += 1) {
            const pair = order[at] ?? 0;
            const held = pairPassages[pair] ?? 0;
            file.varint(held - before);
            file.varint(pairFrequencies[pair] ?? 0);
            before = held;
          }
        }
        file.finish();
      } finally {
        file.abandon();
      }
      pairs = 0;
      terms = new Map();
    },
  };
}
