import { findEscape } from './score-window.ts';
import type { LexicalArrays } from './open-index.ts';
import { escapedFrequency, roundedUp } from './postings-writer.ts';

/** Bounds of all blocks and terms for other penalties than those that the index was built with. */
export function recomputeBounds(
  arrays: LexicalArrays,
  penalties: Float64Array,
): Pick<LexicalArrays, 'blocks.bounds' | 'terms.bounds'> {
  const starts = arrays['blocks.starts'];
  const bases = arrays['blocks.bases'];
  const passages = arrays['postings.passages'];
  const frequencies = arrays['postings.frequencies'];
  const termBlocks = arrays['terms.blocks'];
  const blockBounds = new Float32Array(new SharedArrayBuffer(4 * bases.length));
  const termBounds = new Float32Array(new SharedArrayBuffer(4 * (termBlocks.length - 1)));
  for (let block = 0; block < bases.length; block += 1) {
    const base = bases[block] ?? 0;
    const end = starts[block + 1] ?? 0;
    let bound = 0;
    for (let at = starts[block] ?? 0; at < end; at += 1) {
      const byte = frequencies[at] ?? 0;
      const frequency = byte === escapedFrequency ? findEscape(arrays['postings.escapes'], at) : byte;
      bound = Math.max(bound, frequency / (frequency + (penalties[base + (passages[at] ?? 0)] ?? 0)));
    }
    blockBounds[block] = roundedUp(bound);
  }
  for (let term = 0; term < termBounds.length; term += 1) {
    let bound = 0;
    const end = termBlocks[term + 1] ?? 0;
    for (let block = termBlocks[term] ?? 0; block < end; block += 1) bound = Math.max(bound, blockBounds[block] ?? 0);
    termBounds[term] = bound;
  }
  return { 'blocks.bounds': blockBounds, 'terms.bounds': termBounds };
}
