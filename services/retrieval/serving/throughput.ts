/** How much gets done a second while there is work, lately. */
export interface Throughput {
  /** Work has come after a time without any. */
  begin(): void;
  finish(count: number): void;
  /** Of the last seconds of work; `initialPerSecond` until something was finished. */
  readonly perSecond: number;
}

/** Older work counts half as much after this time. */
const halfLifeMs = 2_000;
/** Shorter times say more of the clock than of the work. */
const leastMs = 1;

/** `nowMs` is a monotonic clock. */
export function createThroughput(initialPerSecond: number, nowMs: () => number): Throughput {
  // Both fade alike, so their ratio is a mean of the rates.
  let count = 0;
  let elapsedMs = 0;
  let lastMs = nowMs();
  return {
    begin() {
      lastMs = nowMs();
    },
    finish(more) {
      const now = nowMs();
      const spentMs = now - lastMs;
      lastMs = now;
      const kept = 2 ** -(spentMs / halfLifeMs);
      count = count * kept + more;
      elapsedMs = elapsedMs * kept + spentMs;
    },
    get perSecond() {
      return elapsedMs < leastMs ? initialPerSecond : (1000 * count) / elapsedMs;
    },
  };
}
