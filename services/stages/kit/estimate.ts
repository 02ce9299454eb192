import { createRandom } from '#platform/random.ts';

/** An estimate with a 95 % interval, over rows: samples of one row are no independent observations. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** `wilson` where every row gives 0 or 1, else `bootstrap`: percentiles of 2,000 seeded resamples of the rows. */
  readonly interval: 'wilson' | 'bootstrap';
  /** Rows that it is over. */
  readonly rows: number;
}

const resamples = 2_000;

/** The mean of one value per row; undefined where no row has one. Pure: `seed` decides the resamples. */
export function estimateOf(values: readonly number[], seed: readonly (string | number)[]): Estimate | undefined {
  const rows = values.length;
  if (rows === 0) return undefined;
  const value = values.reduce((sum, each) => sum + each, 0) / rows;
  if (values.every((each) => each === 0 || each === 1))
    return { value, ...wilsonInterval(Math.round(value * rows), rows), interval: 'wilson', rows };
  return { value, ...bootstrapInterval(values, seed), interval: 'bootstrap', rows };
}

function bootstrapInterval(
  values: readonly number[],
  seed: readonly (string | number)[],
): { readonly low: number; readonly high: number } {
  const random = createRandom('bootstrap', ...seed);
  const means = new Float64Array(resamples);
  for (let at = 0; at < resamples; at++) {
    let sum = 0;
    for (let draw = 0; draw < values.length; draw++) sum += values[random(values.length)] ?? 0;
    means[at] = sum / values.length;
  }
  means.sort();
  return { low: means[Math.floor(resamples * 0.025)] ?? 0, high: means[Math.ceil(resamples * 0.975) - 1] ?? 0 };
}

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
