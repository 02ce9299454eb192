/** Moving rates of success (0..1) by key: a row's id, or a value of a tag, as the sampling of the stage counts. */
export type Rates = ReadonlyMap<string, number>;

/**
 * What a step of the stage taught of them: a fact of the run's ledger, with the rates as they are after the step. Several facts of one
 * step add up.
 */
export interface RatesFact {
  readonly step: number;
  readonly rates: Readonly<Record<string, number>>;
}

/** The facts of a stage, added up. Those of the newest steps stay apart, so that the rates of an earlier step can be asked for. */
export interface RatesProgress {
  readonly older: Rates;
  /** In the order of their steps. */
  readonly newest: readonly { readonly step: number; readonly rates: Rates }[];
}

/** Most steps that a batch may be gathered ahead of the one that is trained (`max_staleness`), and the present one. */
const apart = 65;
/** Of a fact in the ledger, with room for its other fields. */
const factBytes = 48 * 1024;

const noProgress: RatesProgress = { older: new Map(), newest: [] };

/** Pure. A rate that the same step has already is kept: a step that is decided again after a kill changes nothing. */
export function foldRates(progress: unknown, fact: unknown): RatesProgress {
  // Only this file writes either.
  const { older, newest } = (progress as RatesProgress | undefined) ?? noProgress;
  const { step, rates } = fact as RatesFact;
  const last = newest.at(-1);
  if (last !== undefined && step < last.step) return { older, newest };
  const latest = new Map(Object.entries(rates));
  const steps =
    last?.step === step
      ? [...newest.slice(0, -1), { step, rates: new Map([...latest, ...last.rates]) }]
      : [...newest, { step, rates: latest }];
  const settled = steps.slice(0, -apart);
  if (settled.length === 0) return { older, newest: steps };
  return { older: merged(older, settled), newest: steps.slice(-apart) };
}

/** As they were when `step` had been decided, whatever came since; none for a step before the first. */
export function ratesAfter(progress: unknown, step: number): Rates {
  const { older, newest } = (progress as RatesProgress | undefined) ?? noProgress;
  return merged(
    older,
    newest.filter((known) => known.step <= step),
  );
}

/**
 * The rates of the keys that a step asked, after it: `rate + newest_weight * (mean of its groups - rate)`; a key that is asked for the first time
 * begins at that mean.
 */
export function movedRates(
  before: Rates,
  scores: readonly { readonly key: string; readonly score: number }[],
  newestWeight: number,
): Rates {
  const sums = new Map<string, { total: number; count: number }>();
  for (const { key, score } of scores) {
    const { total, count } = sums.get(key) ?? { total: 0, count: 0 };
    sums.set(key, { total: total + score, count: count + 1 });
  }
  return new Map(
    [...sums].map(([key, { total, count }]) => {
      const mean = total / count;
      const rate = before.get(key) ?? mean;
      return [key, rate + newestWeight * (mean - rate)];
    }),
  );
}

/** As many facts as their size in the ledger needs. */
export function ratesFacts(step: number, rates: Rates): RatesFact[] {
  const facts: RatesFact[] = [];
  let part: [string, number][] = [];
  let bytes = 0;
  for (const [key, rate] of rates) {
    const size = Buffer.byteLength(JSON.stringify([key, rate]));
    if (part.length > 0 && bytes + size > factBytes) {
      facts.push({ step, rates: Object.fromEntries(part) });
      part = [];
      bytes = 0;
    }
    part.push([key, rate]);
    bytes += size;
  }
  return part.length === 0 ? facts : [...facts, { step, rates: Object.fromEntries(part) }];
}

function merged(older: Rates, steps: readonly { readonly rates: Rates }[]): Rates {
  const rates = new Map(older);
  for (const { rates: latest } of steps) for (const [key, rate] of latest) rates.set(key, rate);
  return rates;
}
