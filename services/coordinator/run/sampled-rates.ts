import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { meanOf } from '#shared/domain/advantages.ts';
import { headlineOf } from '#shared/recipe/environment-part.ts';
import type { Recipe } from '#shared/recipe/schema.ts';
import { samplingOf } from '#stages/rl/sampling/index.ts';
import { movedRates, ratesAfter, ratesFacts } from '#stages/rl/sampling/rates.ts';
import type { RatesFact } from '#stages/rl/sampling/rates.ts';
import type { RlStage } from '#stages/rl/schema.ts';
import type { Group } from './group-collector.ts';

/** What the groups of a step teach of the rows that they asked. */
export interface SampledRates {
  of(groups: readonly Group[]): {
    readonly metrics: Readonly<Record<string, number>>;
    /** What the stage remembers of it, where `progress` is what it remembered before. */
    facts(progress: unknown): readonly RatesFact[];
  };
}

/** Undefined for a stage that draws prompts without looking. `metrics` are those of the draws. */
export function sampledBy(
  { prompts }: Pick<RlStage, 'prompts'>,
  recipe: Pick<Recipe, 'environment'>,
  stageStep: number,
  metrics: Readonly<Record<string, number>>,
): SampledRates | undefined {
  const sampling = samplingOf(prompts.sampling);
  if (sampling === undefined) return undefined;
  const metric = sampling.metric ?? headlineOf(recipe).primaryMetric;
  return {
    of(groups) {
      const scores = groups.flatMap(({ plan: { row }, fate, samples }) => {
        // Absent samples have no score (P2), and a group that was given up on purpose says nothing of its row.
        const values = samples.flatMap(({ result }) => result?.components[metric] ?? []);
        if (fate === undefined || fate === GroupFate.SURPLUS || values.length === 0) return [];
        return [{ key: sampling.keyOf(row), score: meanOf(values) }];
      });
      const asked = groups.map(({ plan: { row }, fate }) => ({ row, isKept: isKept(fate) }));
      return {
        metrics: { ...metrics, ...sampling.outcome(asked) },
        facts: (progress) =>
          ratesFacts(stageStep, movedRates(ratesAfter(progress, stageStep - 1), scores, sampling.newestWeight)),
      };
    },
  };
}

function isKept(fate: GroupFate | undefined): boolean {
  return fate === GroupFate.KEPT || fate === GroupFate.SHRUNK;
}
