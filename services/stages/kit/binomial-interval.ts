export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Standard normal quantile of a two-sided 95 % interval. */
const z95 = 1.959964;

/** Wilson score interval (95 %) of a share of `successes` in `n` trials; 0..1 when there are none. */
export function wilsonInterval(successes: number, n: number): Interval {
  if (n === 0) return { low: 0, high: 1 };
  const share = successes / n;
  const squared = z95 * z95;
  const center = (share + squared / (2 * n)) / (1 + squared / n);
  const half = (z95 * Math.sqrt((share * (1 - share)) / n + squared / (4 * n * n))) / (1 + squared / n);
  return { low: Math.max(0, center - half), high: Math.min(1, center + half) };
}
