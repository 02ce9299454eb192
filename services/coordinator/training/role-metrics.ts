import type { GroupClosed, RoleOutcome } from '#proto/coordinator/v1/ledger_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { meanOf, rewardsVary, standardDeviation } from '#rewards/advantages.ts';
import type { StageRole } from '#recipe/stage-roles.ts';
import { idleRoles } from '#rewards/metric-names.ts';

/** What each role of the environment did in a step, over all of its closed groups. Empty where there are no roles. */
export function roleMetrics(
  roles: readonly Pick<StageRole, 'name' | 'train'>[],
  closed: readonly Pick<GroupClosed, 'samples'>[],
  results: readonly RolloutResult[],
  varianceTolerance: number,
): Record<string, number> {
  if (roles.length === 0) return {};
  const metrics: Record<string, number> = { [idleRoles]: 0 };
  for (const { name, train } of roles) {
    const groups = closed
      .map(({ samples }) => samples.flatMap((sample) => sample.roles.filter(({ role }) => role === name)))
      .filter((outcomes) => outcomes.length > 0);
    const outcomes = groups.flat();
    const trained = outcomes.filter((outcome) => outcome.trained).length;
    if (train && trained === 0) metrics[idleRoles] = (metrics[idleRoles] ?? 0) + 1;
    metrics[`role/${name}/sequences`] = outcomes.length;
    metrics[`role/${name}/sequences_trained`] = trained;
    if (outcomes.length > 0) Object.assign(metrics, spokenMetrics(name, groups, results, varianceTolerance));
  }
  return metrics;
}

function spokenMetrics(
  name: string,
  groups: readonly (readonly RoleOutcome[])[],
  results: readonly RolloutResult[],
  varianceTolerance: number,
): Record<string, number> {
  const rewardsOf = (outcomes: readonly RoleOutcome[]) => outcomes.map(({ reward }) => reward);
  const rewards = rewardsOf(groups.flat());
  const flat = groups.filter((outcomes) => !rewardsVary(rewardsOf(outcomes), varianceTolerance)).length;
  const parts = results.flatMap(({ roles }) => roles.filter(({ role }) => role === name));
  return {
    [`role/${name}/reward/mean`]: meanOf(rewards),
    [`role/${name}/reward/std`]: standardDeviation(rewards),
    [`role/${name}/frac_reward_zero_std`]: flat / groups.length,
    [`role/${name}/completion_length/mean`]: meanOf(parts.map(({ modelTokens }) => modelTokens)),
    [`role/${name}/turns/mean`]: meanOf(parts.map(({ turns }) => turns)),
    [`role/${name}/truncated`]: meanOf(parts.map(({ truncated }) => (truncated ? 1 : 0))),
  };
}
