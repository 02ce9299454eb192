import { createGrowingArray } from './growing-array.ts';
import { findSlot, fillSlots, hashBytes, insertSlot, slotsFor } from './hash-slots.ts';

/** The ids of all pages of a corpus while it is read: finds doubles, and gives the table that finds pages by id. */
export interface IdTableBuilder {
  /** Adds the next page's id, or gives the line that has it already. */
  add(id: string, line: number): number | undefined;
  /** Slots over page numbers. */
  slots(): Uint32Array;
}

export function hashId(id: string): number {
  const bytes = Buffer.from(id);
  return hashBytes(bytes, 0, bytes.length);
}

/** Keeps about 30 bytes a page, and the ids. */
export function createIdTableBuilder(): IdTableBuilder {
  const hashes = createGrowingArray();
  const ends = createGrowingArray();
  const lines = createGrowingArray();
  let text = Buffer.alloc(16 * 1024);
  let slots = new Uint32Array(slotsFor(1024));

  const startOf = (page: number): number => (page === 0 ? 0 : ends.at(page - 1));

  return {
    add(id, line) {
      const bytes = Buffer.from(id);
      const hash = hashBytes(bytes, 0, bytes.length);
      const same = findSlot(
        slots,
        hash,
        (page) => hashes.at(page) === hash && text.compare(bytes, 0, bytes.length, startOf(page), ends.at(page)) === 0,
      );
      if (same >= 0) return lines.at(same);
      const page = hashes.size();
      const end = startOf(page) + bytes.length;
      if (end > text.length) text = Buffer.concat([text, Buffer.alloc(Math.max(text.length, bytes.length))]);
      bytes.copy(text, end - bytes.length);
      hashes.push(hash);
      ends.push(end);
      lines.push(line);
      if (slotsFor(page + 1) > slots.length) slots = fillSlots(hashes.view());
      else insertSlot(slots, hash, page);
      return undefined;
    },
    slots: () => fillSlots(hashes.view()),
  };
}
