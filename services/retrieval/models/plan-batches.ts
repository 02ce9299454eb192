/**
 * Packs sequences into batches so that little is computed on padding: the longest first, each batch padded to its longest,
 * at most `maxTokens` with padding (one sequence may have more), at most `maxRows` rows. Gives positions; empty
 * sequences are in no batch.
 */
export function planBatches(lengths: readonly number[], maxTokens: number, maxRows: number): number[][] {
  const order = lengths.flatMap((length, at) => (length > 0 ? [at] : []));
  order.sort((a, b) => (lengths[b] ?? 0) - (lengths[a] ?? 0) || a - b);
  const batches: number[][] = [];
  let current: number[] = [];
  let longest = 0;
  for (const at of order) {
    if (current.length === maxRows || (current.length > 0 && (current.length + 1) * longest > maxTokens)) {
      batches.push(current);
      current = [];
    }
    if (current.length === 0) longest = lengths[at] ?? 0;
    current.push(at);
  }
  if (current.length > 0) batches.push(current);
  return batches;
}
