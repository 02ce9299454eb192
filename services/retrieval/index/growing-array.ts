/** A Uint32Array that doubles when full; `view` is valid until the next push. */
export interface GrowingArray {
  push(value: number): void;
  at(index: number): number;
  size(): number;
  view(): Uint32Array;
}

export function createGrowingArray(): GrowingArray {
  let values = new Uint32Array(1024);
  let size = 0;
  return {
    push(value) {
      if (size === values.length) {
        const larger = new Uint32Array(values.length * 2);
        larger.set(values);
        values = larger;
      }
      values[size] = value;
      size += 1;
    },
    at: (index) => values[index] ?? 0,
    size: () => size,
    view: () => values.subarray(0, size),
  };
}
