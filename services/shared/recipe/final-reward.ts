import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import type { OverlongShaping } from '../domain/overlong.ts';
import { composeTotal, type CompositionStep } from '../rewards/compose.ts';
import { valueReader } from '../rewards/value-reader.ts';
import type { StageRecipe } from './schema.ts';
import { weightedScorers, wireComposition, type ScoredStage } from './stage-scorers.ts';

/**
 * The reward of a sample of a stage with groupwise scorers: the stage's composition over what the rollout was given and what the
 * comparison with its group gave. Undefined when a component that it reads is absent (P2). Pure. `onStep` hears of each step.
 */
export function finalReward(
  stage: ScoredStage,
  { rewards, detectors }: Pick<RolloutResult, 'rewards' | 'detectors'>,
  groupwise: Readonly<Record<string, number>>,
  onStep?: (step: CompositionStep) => void,
): number | undefined {
  const read = valueReader({ components: { ...rewards, ...groupwise }, detectors });
  const total = composeTotal(weightedScorers(stage), wireComposition(stage), read, onStep);
  return Number.isNaN(total) ? undefined : total;
}

/** The overlong shaping that a stage adds to its rewards, if any. */
export function overlongShaping({
  algorithm: { overlong },
  limits,
}: Pick<StageRecipe, 'algorithm' | 'limits'>): OverlongShaping | undefined {
  if (overlong === undefined) return undefined;
  return {
    maxTokens: overlong.max_tokens ?? limits.context_tokens,
    bufferTokens: overlong.buffer_tokens,
    factor: overlong.factor,
  };
}
