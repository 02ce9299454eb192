/**
 * An open-addressing hash table that is nothing but an array, so that it is read from a file as it is and shared by
 * threads. A slot holds an entry's number plus one, or 0 for none; who owns the entries says whether one matches.
 */

/** FNV-1a over bytes, mixed once more so that the low bits are good. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** Slots for this many entries: a power of two, at most two thirds of it used. */
export function slotsFor(entries: number): number {
  let slots = 8;
  while (slots * 2 < entries * 3) slots *= 2;
  return slots;
}

export function insertSlot(slots: Uint32Array, hash: number, entry: number): void {
  const mask = slots.length - 1;
  let at = hash & mask;
  while (slots[at] !== 0) at = (at + 1) & mask;
  slots[at] = entry + 1;
}

/** The table of entries 0, 1, 2 ... with these hashes. */
export function fillSlots(hashes: Uint32Array): Uint32Array<ArrayBuffer> {
  const slots = new Uint32Array(slotsFor(hashes.length));
  for (let entry = 0; entry < hashes.length; entry += 1) insertSlot(slots, hashes[entry] ?? 0, entry);
  return slots;
}

/** The entry with this hash that `matches`, or -1. */
export function findSlot(slots: Uint32Array, hash: number, matches: (entry: number) => boolean): number {
  const mask = slots.length - 1;
  for (let at = hash & mask; ; at = (at + 1) & mask) {
    const entry = (slots[at] ?? 0) - 1;
    if (entry < 0 || matches(entry)) return entry;
  }
}
