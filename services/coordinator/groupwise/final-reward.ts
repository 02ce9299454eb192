import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { weightedScorers, wireComposition } from '#shared/recipe/stage-scorers.ts';
import type { ScoredStage } from '#shared/recipe/stage-scorers.ts';
import { composeTotal } from '#shared/rewards/compose.ts';

/**
 * The reward of a sample of a stage with groupwise scorers: the stage's composition over what the rollout was given and what the
 * comparison with its group gave. Undefined when a component that it reads is absent (P2). Pure.
 */
export function finalReward(
  stage: ScoredStage,
  { rewards, detectors }: Pick<RolloutResult, 'rewards' | 'detectors'>,
  groupwise: Readonly<Record<string, number>>,
): number | undefined {
  const weighted = weightedScorers(stage);
  const isComponent = new Set(weighted.map(({ name }) => name));
  // A detector that is not there gave 0; a component that is not there is absent.
  const total = composeTotal(
    weighted,
    wireComposition(stage),
    (name) => groupwise[name] ?? rewards[name] ?? (isComponent.has(name) ? undefined : (detectors[name] ?? 0)),
  );
  return Number.isNaN(total) ? undefined : total;
}
