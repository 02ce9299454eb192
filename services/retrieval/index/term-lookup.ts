import { findSlot, hashBytes } from './hash-slots.ts';
import type { LexicalArrays } from './open-index.ts';

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
