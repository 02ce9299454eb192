import type { GroupClosed } from '#proto/coordinator/v1/ledger_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { meanOf, rewardsVary, standardDeviation } from '#shared/domain/advantages.ts';

/** What each role of the environment did in a step, over all of its closed groups. Empty where there are no roles. */
export function roleMetrics(
  closed: readonly Pick<GroupClosed, 'samples'>[],
  results: readonly RolloutResult[],
  varianceTolerance: number,
): Record<string, number> {
  const names = new Set(closed.flatMap(({ samples }) => samples.flatMap(({ roles }) => roles.map(({ role }) => role))));
  return Object.fromEntries(
    [...names].toSorted().flatMap((name) => {
      const groups = closed
        .map(({ samples }) => samples.flatMap(({ roles }) => roles.filter(({ role }) => role === name)))
        .filter((outcomes) => outcomes.length > 0);
      const rewards = groups.flat().map(({ reward }) => reward);
      const flat = groups.filter(
        (outcomes) =>
          !rewardsVary(
            outcomes.map(({ reward }) => reward),
            varianceTolerance,
          ),
      );
      const parts = results.flatMap(({ roles }) => roles.filter(({ role }) => role === name));
      const at = `role/${name}`;
      return [
        [`${at}/reward/mean`, meanOf(rewards)],
        [`${at}/reward/std`, standardDeviation(rewards)],
        [`${at}/frac_reward_zero_std`, flat.length / groups.length],
        [`${at}/sequences`, rewards.length],
        [`${at}/sequences_trained`, groups.flat().filter(({ trained }) => trained).length],
        [`${at}/completion_length/mean`, meanOf(parts.map(({ modelTokens }) => modelTokens))],
        [`${at}/turns/mean`, meanOf(parts.map(({ turns }) => turns))],
        [`${at}/truncated`, meanOf(parts.map(({ truncated }) => (truncated ? 1 : 0)))],
      ] as const;
    }),
  );
}
