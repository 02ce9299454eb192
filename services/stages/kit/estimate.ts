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
  const value = meanOf(values);
  if (values.every((each) => each === 0 || each === 1))
    return { value, ...wilsonInterval(Math.round(value * rows), rows), interval: 'wilson', rows };
  return { value, ...bootstrapInterval(values, meanOf, seed), interval: 'bootstrap', rows };
}

/**
 * The ratio of two sums with one [part, whole] per row; undefined where the wholes are all 0. Where every whole is 0 or 1 it is the mean over
 * the rows with a whole.
 */
export function ratioEstimateOf(
  pairs: readonly (readonly [part: number, whole: number])[],
  seed: readonly (string | number)[],
): Estimate | undefined {
  const counted = pairs.filter(([, whole]) => whole > 0);
  if (counted.every(([, whole]) => whole === 1))
    return estimateOf(
      counted.map(([part]) => part),
      seed,
    );
  return {
    value: ratioOf(counted),
    ...bootstrapInterval(counted, ratioOf, seed),
    interval: 'bootstrap',
    rows: counted.length,
  };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, each) => sum + each, 0) / values.length;
}

function ratioOf(pairs: readonly (readonly [number, number])[]): number {
  let [parts, wholes] = [0, 0];
  for (const [part, whole] of pairs) {
    parts += part;
    wholes += whole;
  }
  return parts / wholes;
}

function bootstrapInterval<Row>(
  rows: readonly Row[],
  statistic: (rows: readonly Row[]) => number,
  seed: readonly (string | number)[],
): { readonly low: number; readonly high: number } {
  const random = createRandom('bootstrap', ...seed);
  const values = new Float64Array(resamples);
  for (let at = 0; at < resamples; at++) {
    // An index within the rows.
    const drawn = Array.from(rows, () => rows[random(rows.length)] as Row);
    values[at] = statistic(drawn);
  }
  values.sort();
  return { low: values[Math.floor(resamples * 0.025)] ?? 0, high: values[Math.ceil(resamples * 0.975) - 1] ?? 0 };
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
