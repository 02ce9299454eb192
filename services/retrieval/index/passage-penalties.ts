/** `k1 * (1 - b + b * |d| / mean |d|)` of every passage: what its length adds below the fraction of BM25. */
export function passagePenalties(
  lengths: Uint32Array,
  words: number,
  { k1, b }: { readonly k1: number; readonly b: number },
  into: Float64Array = new Float64Array(lengths.length),
): Float64Array {
  // A corpus without a word has no postings, so its NaN is never read.
  const mean = words / lengths.length;
  for (let passage = 0; passage < lengths.length; passage += 1) {
    into[passage] = k1 * (1 - b + (b * (lengths[passage] ?? 0)) / mean);
  }
  return into;
}
