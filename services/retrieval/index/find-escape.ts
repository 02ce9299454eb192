/** The frequency of a posting whose byte says that it does not fit: `escapes` holds pairs, ascending by posting. */
export function findEscape(escapes: Uint32Array, posting: number): number {
  let low = 0;
  let high = escapes.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((escapes[2 * middle] ?? 0) < posting) low = middle + 1;
    else high = middle;
  }
  return escapes[2 * low + 1] ?? 0;
}
