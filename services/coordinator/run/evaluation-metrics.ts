import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { meanOf } from '#shared/domain/advantages.ts';
import { wilsonInterval } from '#shared/domain/binomial-interval.ts';
import { detectorNames, type DetectorName } from '#shared/rewards/detector-names.ts';
import { rewardList } from '#shared/rewards/reward-list.ts';
import type { ScoredStage } from '#shared/recipe/stage-scorers.ts';

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
 * `n`, how many are `absent`, the 95 % Wilson interval of exact match, and `sampled.detector.NAME`, the share in which a
 * detector of reward hacking fired.
 */
export function evaluationMetrics(samples: readonly EvaluatedSample[], stage: ScoredStage): Record<string, number> {
  const metrics: Record<string, number> = {};
  for (const mode of ['sampled', 'greedy'] as const) {
    const ofMode = samples.filter((sample) => sample.mode === mode);
    if (ofMode.length === 0) continue;
    summarize(metrics, mode, ofMode);
    for (const name of detectorNames) metrics[`${mode}.detector.${name}`] = firedShare(ofMode, name);
    for (const hops of new Set(ofMode.map((sample) => sample.hops))) {
      summarize(
        metrics,
        `${mode}.hop${hops}`,
        ofMode.filter((sample) => sample.hops === hops),
      );
    }
  }
  return withRewards(metrics, stage);
}

/**
 * The same evaluation with the mean reward that a stage's weights give: means are linear in the components. A composition is not, so
 * with one the reward is what the rollouts were given. Groupwise components have no part in evaluations and add nothing.
 */
export function withRewards(
  metrics: Readonly<Record<string, number>>,
  { rewards, composition }: ScoredStage,
): Record<string, number> {
  if (composition !== undefined) return { ...metrics };
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

function firedShare(samples: readonly EvaluatedSample[], detector: DetectorName): number {
  const results = samples.flatMap(({ result }) => result ?? []);
  return meanOf(results.map(({ detectors }) => ((detectors[detector] ?? 0) > 0 ? 1 : 0)));
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
    // What a judge could not give is absent, never 0 (P2).
    if (!metricNames.has(scorer))
      metrics[`${prefix}.${scorer}`] = meanOf(results.flatMap(({ rewards }) => rewards[scorer] ?? []));
  }
  metrics[`${prefix}.reward`] = mean((result) => result.reward ?? 0);
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
