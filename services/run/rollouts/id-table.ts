/**
 * Ids and a number of 32 bits for each, in about 30 bytes apiece whatever the length of the id: a run's account is made over all
 * of its rollouts. An id is known by 64 bits of it: two of ten million share them with a probability below 10^-5.
 */
export interface IdTable {
  readonly size: number;
  /** Number of an id, from 0 in the order in which they came; -1 when it is not there. */
  find(id: string): number;
  add(id: string): number;
  get(index: number): number;
  set(index: number, value: number): void;
}

export function createIdTable(): IdTable {
  let high = new Uint32Array(1024);
  let low = new Uint32Array(1024);
  let values = new Uint32Array(1024);
  /** Index + 1 by hash, open addressing; never more than half full. */
  let slots = new Uint32Array(2048);
  let size = 0;

  function slotOf(a: number, b: number): number {
    const mask = slots.length - 1;
    for (let slot = b & mask; ; slot = (slot + 1) & mask) {
      const index = (slots[slot] ?? 0) - 1;
      if (index === -1 || (high[index] === a && low[index] === b)) return slot;
    }
  }

  function grow(): void {
    high = doubled(high);
    low = doubled(low);
    values = doubled(values);
    slots = new Uint32Array(slots.length * 2);
    for (let index = 0; index < size; index++) slots[slotOf(high[index] ?? 0, low[index] ?? 0)] = index + 1;
  }

  const find = (id: string) => (slots[slotOf(highOf(id), lowOf(id))] ?? 0) - 1;
  return {
    get size() {
      return size;
    },
    find,
    add(id) {
      const known = find(id);
      if (known !== -1) return known;
      if (size === high.length) grow();
      high[size] = highOf(id);
      low[size] = lowOf(id);
      slots[slotOf(high[size] ?? 0, low[size] ?? 0)] = size + 1;
      size += 1;
      return size - 1;
    },
    get: (index) => values[index] ?? 0,
    set(index, value) {
      values[index] = value;
    },
  };
}

function doubled(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2);
  larger.set(array);
  return larger;
}

const highOf = (id: string) => fold(id, 0x811c9dc5, 0x01000193);
const lowOf = (id: string) => fold(id, 0x9e3779b9, 0x85ebca77);

/** As FNV-1a, with a last mixing step (murmur3's), so that its low bits can choose a slot. */
function fold(text: string, seed: number, factor: number): number {
  let hash = seed;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), factor);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
