import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RoleOutcomeSchema } from '#proto/coordinator/v1/ledger_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { computeAdvantages, rewardsVary } from '#rewards/advantages.ts';
import type { StageRole } from '#recipe/stage-roles.ts';
import { compose } from '#rewards/compose.ts';
import type { TrainingStage } from '#stages/kit/training-fields.ts';

export type RoleOutcomeInit = MessageInitShape<typeof RoleOutcomeSchema> & {
  readonly role: string;
  readonly trained: boolean;
};

/** What a role was given in one sample. */
export interface RoleReward {
  readonly role: StageRole;
  readonly reward: number;
  readonly truncated: boolean;
}

/** Of the roles that have spoken; undefined where one has no reward, and so the sample has none (P2). */
export function rewardsByRole(roles: readonly StageRole[], result: RolloutResult): RoleReward[] | undefined {
  const { components, detectors } = result;
  const given: RoleReward[] = [];
  for (const { role: name, modelTokens, truncated } of result.roles) {
    const role = roles.find((candidate) => candidate.name === name);
    const reward = role && compose(role.composition, { components, detectors, modelTokens });
    if (role === undefined || reward === undefined) return undefined;
    given.push({ role, reward, truncated });
  }
  return given;
}

/**
 * Advantages of each role among the samples of a group in which it has spoken, in the order of `samples`. With dynamic sampling a role
 * whose rewards do not vary is not trained on in this group.
 */
export function outcomesByRole(
  { algorithm }: Pick<TrainingStage, 'algorithm'>,
  samples: readonly (readonly RoleReward[])[],
): RoleOutcomeInit[][] {
  const outcomes = samples.map((): RoleOutcomeInit[] => []);
  for (const role of new Set(samples.flatMap((parts) => parts.map((part) => part.role)))) {
    const spoken = samples.flatMap((parts, at) => parts.flatMap((part) => (part.role === role ? [{ at, part }] : [])));
    const rewards = spoken.map(({ part }) => part.reward);
    const advantages = computeAdvantages(rewards, algorithm.advantage);
    const trained = role.train && (!algorithm.dynamic_sampling || rewardsVary(rewards, algorithm.variance_tolerance));
    for (const [index, { at, part }] of spoken.entries())
      outcomes[at]?.push({
        role: role.name,
        reward: part.reward,
        advantage: trained ? (advantages[index] ?? 0) : 0,
        truncated: part.truncated,
        trained,
      });
  }
  return outcomes;
}
