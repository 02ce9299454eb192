export const poolings = ['mean', 'cls', 'last'] as const;
export type Pooling = (typeof poolings)[number];

/** The first `count` of the rows of `hidden` (tokens x width) as one vector, in 64-bit sums. */
export function poolTokens(hidden: Float32Array, count: number, width: number, pooling: Pooling): Float64Array {
  const pooled = new Float64Array(width);
  const first = pooling === 'last' ? count - 1 : 0;
  const end = pooling === 'cls' ? 1 : count;
  for (let token = first; token < end; token += 1) {
    const row = token * width;
    for (let at = 0; at < width; at += 1) pooled[at] = (pooled[at] ?? 0) + (hidden[row + at] ?? 0);
  }
  if (pooling === 'mean') for (let at = 0; at < width; at += 1) pooled[at] = (pooled[at] ?? 0) / count;
  return pooled;
}

/** Scales to length 1; a vector of zeros stays as it is. */
export function normalise(vector: Float64Array): Float64Array {
  let squares = 0;
  for (const value of vector) squares += value * value;
  const length = Math.sqrt(squares);
  return length === 0 ? vector : vector.map((value) => value / length);
}
