import { TerminalError } from '#platform/errors.ts';
import { createGrowingArray } from './growing-array.ts';
import { fillSlots, hashBytes } from './hash-slots.ts';
import type { IndexFileWriters } from './index-files.ts';

/** Most postings of a block. */
const blockPostings = 128;
/** A posting's passage is 16 bits above the first passage of its block. */
const blockSpan = 65_536;
/** Numbers of postings have 32 bits. */
const mostPostings = 2 ** 32 - 1;
/** Written for a frequency that does not fit a byte; the frequency itself is among the escapes. */
export const escapedFrequency = 255;

export interface PostingsWriter {
  /** Terms come once each, in any order; their postings follow, passages ascending. */
  beginTerm(term: string): void;
  add(passage: number, frequency: number): void;
  finish(): { readonly terms: number; readonly postings: number };
}

/**
 * Writes dictionary, blocks and postings. A block is up to 128 postings of one term within 65,536 passages, with the
 * most that any of them can add to a score per unit of idf: `tf / (tf + penalty)`, rounded up to 32 bits.
 */
export function createPostingsWriter(files: IndexFileWriters, penalties: Float64Array): PostingsWriter {
  const hashes = createGrowingArray();
  let terms = 0;
  let postings = 0;
  let blocks = 0;
  let base = 0;
  let inBlock = 0;
  let blockBound = 0;
  let termBound = 0;

  const endBlock = (): void => {
    if (inBlock === 0) return;
    files['blocks.bounds'].f32(roundedUp(blockBound));
    termBound = Math.max(termBound, blockBound);
    blocks += 1;
    inBlock = 0;
    blockBound = 0;
  };
  const endTerm = (): void => {
    endBlock();
    if (terms > 0) files['terms.bounds'].f32(roundedUp(termBound));
    termBound = 0;
  };

  return {
    beginTerm(term) {
      endTerm();
      if (postings + penalties.length > mostPostings)
        throw new TerminalError('invalid_argument', `the corpus has more than ${mostPostings} postings; split it`);
      const bytes = Buffer.from(term);
      files['terms.offsets'].u32(files['terms.text'].bytes());
      files['terms.text'].write(bytes);
      files['terms.blocks'].u32(blocks);
      hashes.push(hashBytes(bytes, 0, bytes.length));
      terms += 1;
    },
    add(passage, frequency) {
      if (inBlock === blockPostings || passage - base >= blockSpan) endBlock();
      if (inBlock === 0) {
        base = passage;
        files['blocks.bases'].u32(base);
        files['blocks.starts'].u32(postings);
      }
      files['postings.passages'].u16(passage - base);
      if (frequency < escapedFrequency) {
        files['postings.frequencies'].u8(frequency);
      } else {
        files['postings.frequencies'].u8(escapedFrequency);
        files['postings.escapes'].u32(postings);
        files['postings.escapes'].u32(frequency);
      }
      blockBound = Math.max(blockBound, frequency / (frequency + (penalties[passage] ?? 0)));
      inBlock += 1;
      postings += 1;
    },
    finish() {
      endTerm();
      files['terms.offsets'].u32(files['terms.text'].bytes());
      files['terms.blocks'].u32(blocks);
      files['blocks.starts'].u32(postings);
      const slots = fillSlots(hashes.view());
      files['terms.slots'].write(new Uint8Array(slots.buffer));
      return { terms, postings };
    },
  };
}

/** The least 32-bit number that is not below, so that a bound stays one. */
export function roundedUp(bound: number): number {
  const rounded = Math.fround(bound);
  return rounded >= bound ? rounded : Math.fround(rounded * (1 + 2 ** -23));
}
