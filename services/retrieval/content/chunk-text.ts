import { wordBounds } from '../analyzer/word-tokens.ts';

/** A stretch of a page, in UTF-16 units. */
export interface Chunk {
  readonly start: number;
  readonly end: number;
}

export interface ChunkSizes {
  /** Most words of a chunk. */
  readonly words: number;
  /** Most words that a chunk repeats of the one before; at most half of `words`. */
  readonly overlap: number;
}

/** Share of a chunk, from its end, in which a sentence end is preferred to a full chunk. */
const lookBack = 0.25;

const sentenceEnd = /[.!?\u3002\uff01\uff1f]["'”’)\]]*\s*$/;

/**
 * Cuts a text into overlapping stretches of words. Words are those of the analyzers, so that scripts without spaces are
 * cut as well. A chunk ends at a sentence end if there is one in its last quarter, and begins at one if there is one in
 * the overlap. One chunk, the whole text, if that is short enough.
 */
export function chunkText(text: string, { words, overlap }: ChunkSizes): readonly Chunk[] {
  const bounds = wordBounds(text);
  const count = bounds.length / 2;
  if (count <= words) return [{ start: 0, end: text.length }];
  const startOf = (word: number): number => bounds[2 * word] ?? text.length;
  const endOf = (word: number): number => bounds[2 * word + 1] ?? text.length;
  /** Whether a sentence ends between a word and the one before it. */
  const beginsSentence = (word: number): boolean =>
    sentenceEnd.test(text.slice(endOf(word - 1), startOf(word)).slice(0, 64));

  const chunks: Chunk[] = [];
  for (let first = 0; ;) {
    let end = Math.min(count, first + words);
    if (end < count) {
      const least = Math.max(first + 1, end - Math.floor(words * lookBack));
      for (let word = end; word >= least; word -= 1) {
        if (!beginsSentence(word)) continue;
        end = word;
        break;
      }
    }
    // What stands before the first word and after the last one (punctuation, white space) belongs to the text as well.
    const start = first === 0 ? 0 : startOf(first);
    chunks.push({ start, end: end === count ? text.length : startOf(end) });
    if (end === count) return chunks;
    let next = Math.max(first + 1, end - overlap);
    for (let word = next; word <= end; word += 1) {
      if (!beginsSentence(word)) continue;
      next = word;
      break;
    }
    first = next;
  }
}
