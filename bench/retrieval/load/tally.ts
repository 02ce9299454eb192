/** What became of one call. */
export type Verdict =
  | { readonly kind: 'right' }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'failed'; readonly reason: string };

export interface TallyReport extends Percentiles {
  readonly calls: number;
  readonly right: number;
  readonly wrong: number;
  readonly errors: number;
  readonly errorsByReason: Readonly<Record<string, number>>;
  /** Calls that began and of which nothing came back, not even a failure. */
  readonly lost: number;
}

/** Accounts for every call: begun = right + wrong + errors + lost. Times are those of right answers alone. */
export interface Tally {
  begun(): void;
  ended(verdict: Verdict, latencyMs: number): void;
  report(): TallyReport;
}

export function createTally(): Tally {
  const latencies: number[] = [];
  const errorsByReason = new Map<string, number>();
  let calls = 0;
  let wrong = 0;
  return {
    begun() {
      calls += 1;
    },
    ended(verdict, latencyMs) {
      switch (verdict.kind) {
        case 'right':
          latencies.push(latencyMs);
          break;
        case 'wrong':
          wrong += 1;
          break;
        case 'failed':
          errorsByReason.set(verdict.reason, (errorsByReason.get(verdict.reason) ?? 0) + 1);
          break;
      }
    },
    report() {
      const errors = [...errorsByReason.values()].reduce((sum, count) => sum + count, 0);
      return {
        calls,
        right: latencies.length,
        wrong,
        errors,
        errorsByReason: Object.fromEntries(errorsByReason),
        lost: calls - latencies.length - wrong - errors,
        ...percentilesOf(latencies),
      };
    },
  };
}

export interface Percentiles {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/**
 * By nearest rank: the smallest value that at least the share `p` of all values does not exceed. NaN where there are no
 * values. Rounded to microseconds.
 */
export function percentilesOf(valuesMs: readonly number[]): Percentiles {
  const sorted = Float64Array.from(valuesMs).sort();
  const at = (share: number): number => {
    const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
    return Math.round(value * 1000) / 1000;
  };
  return { p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99), maxMs: at(1) };
}
