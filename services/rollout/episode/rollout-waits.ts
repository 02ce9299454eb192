import type { Watchdog } from '#platform/async/watchdog.ts';

/** What a rollout can wait for. A label of a metric, so the set is closed. */
export const rolloutWaits = [
  'policy.tokenize',
  'policy.generate',
  'tool',
  'reward.score',
  'publish.trajectory',
  'publish.result',
] as const;

export type RolloutWait = (typeof rolloutWaits)[number];

export type RolloutWaits = Pick<Watchdog<RolloutWait>, 'begin'>;

/** A wait is overdue when half of its deadline is gone: early enough to be looked at while it hangs. */
export function overdueAfter(deadlineMs: number): number {
  return deadlineMs / 2;
}
