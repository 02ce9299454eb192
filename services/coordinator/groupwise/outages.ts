/**
 * How long each judge has not answered, over all groups: an outage is waited for once, however many groups it holds up. A judge
 * that was given up on is tried once by each group that comes after.
 */
export interface Outages {
  /** Milliseconds since the first failure that is not forgotten. */
  failed(judge: string): number;
  /** The judge answered, or is not waited for any more. */
  forget(judge: string): void;
}

export function createOutages(now: () => number): Outages {
  const sinceMs = new Map<string, number>();
  return {
    failed(judge) {
      const since = sinceMs.get(judge) ?? now();
      sinceMs.set(judge, since);
      return now() - since;
    },
    forget: (judge) => void sinceMs.delete(judge),
  };
}
