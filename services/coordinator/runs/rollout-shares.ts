/** What each run of a fleet may have in flight, by the priorities of all that go on. */
export interface RolloutShares {
  /** Priorities of all runs of the fleet that go on, those of other coordinators too. */
  observe(priorities: ReadonlyMap<string, number>): void;
  /** Rollouts that a run may have published and unanswered. */
  of(run: { readonly runId: string; readonly priority: number }, limits: ShareLimits): number;
}

export interface ShareLimits {
  /** `fleet.max_open_rollouts`. */
  readonly mostOpen: number;
  /** `fleet.max_run_share`, 0..1. */
  readonly mostShare: number;
  /** Rollouts of a group: less would never open one. */
  readonly groupSize: number;
}

export function createRolloutShares(): RolloutShares {
  let known: ReadonlyMap<string, number> = new Map();
  return {
    observe(priorities) {
      known = priorities;
    },
    of({ runId, priority }, limits) {
      const others = [...known].flatMap(([id, other]) => (id === runId ? [] : [other]));
      return rolloutShare(priority, others, limits);
    },
  };
}

/**
 * By weight, and never less than one group: the queue is first in, first out, so a run gets its share of the workers, and none starves.
 * What a run leaves unused, as while it trains, is not lent to the others.
 */
export function rolloutShare(
  priority: number,
  others: readonly number[],
  { mostOpen, mostShare, groupSize }: ShareLimits,
): number {
  const all = others.reduce((sum, other) => sum + other, priority);
  const share = Math.min(mostShare, priority / all);
  return Math.max(groupSize, Math.floor(mostOpen * share));
}
