/**
 * How long each judge has not answered, over all groups: an outage is waited for once, however many groups it holds up. A judge
 * that was given up on is tried once by each group that comes after.
 */
export interface Outages {
  /** Milliseconds since the first failure after the last answer. */
  failed(judge: string): number;
  answered(judge: string): void;
}

export function createOutages(now: () => number): Outages {
  const sinceMs = new Map<string, number>();
  return {
    failed(judge) {
      const since = sinceMs.get(judge) ?? now();
      sinceMs.set(judge, since);
      return now() - since;
    },
    answered: (judge) => void sinceMs.delete(judge),
  };
}
