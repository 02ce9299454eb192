/**
 * The chance that at least one of k samples is a success, from n of which c are: 1 - C(n-c, k) / C(n, k), unbiased (Chen et al.,
 * arXiv 2107.03374, equation 1). Undefined for n < k.
 */
export function passAt(k: number, n: number, c: number): number | undefined {
  if (n < k) return undefined;
  if (n - c < k) return 1;
  let miss = 1;
  for (let at = n - c + 1; at <= n; at++) miss *= 1 - k / at;
  return 1 - miss;
}

/** Powers of two up to `samples`, and `samples`. */
export function defaultPassAt(samples: number): number[] {
  const all: number[] = [];
  for (let k = 1; k < samples; k *= 2) all.push(k);
  return [...all, samples];
}
