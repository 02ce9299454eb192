import { meanOf } from '#rewards/advantages.ts';
import type { AskedGroup, Learned, StepPromptsRequest } from '../../kit/step-prompts.ts';
import type { ChosenSampling } from './index.ts';
import { movedRates, ratesAfter, ratesFacts } from './rates.ts';

/** The rates after a step that asked `groups`. `metrics` are those of the draws. */
export function learnedRates(
  sampling: ChosenSampling,
  { stageStep, primaryMetric }: Pick<StepPromptsRequest, 'stageStep' | 'primaryMetric'>,
  { groups, metrics }: { readonly groups: readonly AskedGroup[]; readonly metrics: Readonly<Record<string, number>> },
): Learned {
  const metric = sampling.metric ?? primaryMetric;
  const scores = groups.flatMap(({ row, components }) => {
    const values = components.flatMap((given) => given[metric] ?? []);
    return values.length === 0 ? [] : [{ key: sampling.keyOf(row), score: meanOf(values) }];
  });
  return {
    metrics: { ...metrics, ...sampling.outcome(groups) },
    facts: (progress) =>
      ratesFacts(stageStep, movedRates(ratesAfter(progress, stageStep - 1), scores, sampling.newestWeight)),
  };
}
