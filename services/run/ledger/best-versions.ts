import { headlineOf } from '#recipe/environment-part.ts';
import type { Recipe } from '#recipe/schema.ts';
import type { RunState, TrainedWeights } from './run-state.ts';

/** A version of the policy that stays for its held-out score (`checkpoints.keep_best`). */
export interface BestVersion extends TrainedWeights {
  readonly version: number;
  /** Of its last evaluation. */
  readonly stage: string;
  readonly metric: string;
  readonly score: number;
}

/**
 * The versions with the greatest held-out score, the best first; of equal ones the earlier is better. The score is the
 * environment's primary metric, greedy where the recipe evaluates so. A model that no step has trained since is none of them.
 */
export function bestVersions(
  { checkpoints, environment, eval: { greedy } }: Pick<Recipe, 'checkpoints' | 'environment' | 'eval'>,
  { stages }: Pick<RunState, 'stages'>,
): readonly BestVersion[] {
  if (checkpoints.keep_best === 0) return [];
  const metric = `${greedy ? 'greedy' : 'sampled'}.${headlineOf({ environment }).primaryMetric}`;
  const byPath = new Map<string, BestVersion>();
  for (const { stage, version, weights, metrics } of stages.flatMap(({ evaluations }) => evaluations)) {
    const score = metrics[metric];
    if (weights !== undefined && score !== undefined)
      byPath.set(weights.path, { ...weights, version, stage, metric, score });
  }
  return [...byPath.values()].toSorted((a, b) => b.score - a.score || a.step - b.step).slice(0, checkpoints.keep_best);
}
