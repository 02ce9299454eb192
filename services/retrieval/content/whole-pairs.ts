const leading = /^[\udc00-\udfff]/;
const trailing = /[\ud800-\udbff]$/;

/** Units start..stop of a text; a pair of surrogates across an edge belongs to the part that it begins in. */
export function wholePairs(
  read: (from: number, to: number) => string,
  bounds: { readonly from: number; readonly end: number },
  start: number,
  stop: number,
): string {
  const from = Math.max(bounds.from, start - 1);
  const to = Math.min(bounds.end, stop + 1);
  if (start >= to) return '';
  const text = read(from, to);
  const before = text.slice(0, start - from);
  const part = text.slice(start - from, stop - from);
  const after = text.slice(stop - from);
  const head = trailing.test(before) && leading.test(part) ? part.slice(1) : part;
  return trailing.test(part) && leading.test(after) ? head + after.slice(0, 1) : head;
}
