import { detectorNames, type DetectorName } from '#rewards/detector-names.ts';
import type { StageState } from './ledger/run-state.ts';

/** Share of a stage's rollouts so far in which each detector fired, 0..1; those that never did are left out. */
export function detectorShares({ steps }: Pick<StageState, 'steps'>): Partial<Record<DetectorName, number>> {
  const shares: Partial<Record<DetectorName, number>> = {};
  const rollouts = steps.reduce((sum, { metrics }) => sum + (metrics['rollouts/completed'] ?? 0), 0);
  for (const name of detectorNames) {
    const fired = steps.reduce(
      (sum, { metrics }) => sum + (metrics[`detector/${name}`] ?? 0) * (metrics['rollouts/completed'] ?? 0),
      0,
    );
    if (fired > 0) shares[name] = fired / rollouts;
  }
  return shares;
}
