import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { wilsonInterval } from '#shared/domain/binomial-interval.ts';
import { rewardList } from '#shared/rewards/reward-list.ts';
import type { StageRecipe } from '#shared/recipe/schema.ts';

export type EvaluationMode = 'sampled' | 'greedy';

export interface EvaluatedSample {
  readonly mode: EvaluationMode;
  readonly hops: number;
  /** Undefined when infrastructure failed: absent, never 0 (P2). */
  readonly result: RolloutResult | undefined;
}

/** Names in the ledger, by names of scorers. */
const components = {
  em: 'exact_match',
  f1: 'f1',
  tool_success: 'tool_success',
  format_ok: 'format',
  xml: 'xml',
} as const;
const metricNames = new Map<string, string>(Object.entries(components).map(([metric, scorer]) => [scorer, metric]));

/**
 * `sampled.em`, `greedy.f1`, `sampled.hop2.em`, `greedy.em_low` … : means over the samples that came back, their number
 * `n`, how many are `absent`, and the 95 % Wilson interval of exact match.
 */
export function evaluationMetrics(
  samples: readonly EvaluatedSample[],
  rewards: StageRecipe['rewards'],
): Record<string, number> {
  const metrics: Record<string, number> = {};
  for (const mode of ['sampled', 'greedy'] as const) {
    const ofMode = samples.filter((sample) => sample.mode === mode);
    if (ofMode.length === 0) continue;
    summarize(metrics, mode, ofMode);
    for (const hops of new Set(ofMode.map((sample) => sample.hops))) {
      summarize(
        metrics,
        `${mode}.hop${hops}`,
        ofMode.filter((sample) => sample.hops === hops),
      );
    }
  }
  return withRewards(metrics, rewards);
}

/** The same evaluation with the mean reward that other weights give; means are linear in the components. */
export function withRewards(
  metrics: Readonly<Record<string, number>>,
  rewards: StageRecipe['rewards'],
): Record<string, number> {
  const weighted: Record<string, number> = { ...metrics };
  for (const key of Object.keys(metrics)) {
    if (!key.endsWith('.n')) continue;
    const prefix = key.slice(0, -2);
    let reward = 0;
    for (const { name, weight } of rewardList(rewards)) {
      reward += weight * (metrics[`${prefix}.${metricNames.get(name) ?? name}`] ?? 0);
    }
    weighted[`${prefix}.reward`] = reward;
  }
  return weighted;
}

function summarize(metrics: Record<string, number>, prefix: string, samples: readonly EvaluatedSample[]): void {
  const results = samples.flatMap((sample) => (sample.result === undefined ? [] : [sample.result]));
  const n = results.length;
  const mean = (value: (result: RolloutResult) => number) =>
    n === 0 ? 0 : results.reduce((sum, result) => sum + value(result), 0) / n;
  for (const [name, scorer] of Object.entries(components)) {
    metrics[`${prefix}.${name}`] = mean((result) => result.rewards[scorer] ?? 0);
  }
  // Scorers that only some recipes name keep their own.
  for (const scorer of new Set(results.flatMap((result) => Object.keys(result.rewards)))) {
    if (!metricNames.has(scorer)) metrics[`${prefix}.${scorer}`] = mean((result) => result.rewards[scorer] ?? 0);
  }
  const interval = wilsonInterval(
    results.reduce((sum, result) => sum + ((result.rewards[components.em] ?? 0) >= 1 ? 1 : 0), 0),
    n,
  );
  metrics[`${prefix}.em_low`] = interval.low;
  metrics[`${prefix}.em_high`] = interval.high;
  metrics[`${prefix}.answered`] = mean((result) => (result.prediction === undefined ? 0 : 1));
  metrics[`${prefix}.truncated`] = mean((result) => (result.truncated ? 1 : 0));
  metrics[`${prefix}.turns`] = mean((result) => result.turns);
  metrics[`${prefix}.tool_calls`] = mean((result) => result.toolCalls);
  metrics[`${prefix}.model_tokens`] = mean((result) => result.modelTokens);
  metrics[`${prefix}.total_tokens`] = mean(
    (result) => result.promptTokens + result.modelTokens + result.environmentTokens,
  );
  metrics[`${prefix}.n`] = n;
  metrics[`${prefix}.absent`] = samples.length - n;
}
