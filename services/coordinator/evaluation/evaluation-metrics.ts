import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { meanOf } from '#rewards/advantages.ts';
import { estimateOf } from '#stages/kit/estimate.ts';
import { environmentMeans } from '#rewards/environment-metrics.ts';
import { detectorNames, type DetectorName } from '#rewards/detector-names.ts';
import { compose, isWeightedSum } from '#rewards/compose.ts';
import { partsOf, rewardMetric, splitByTags, type Headline } from '#rewards/metric-names.ts';
import type { Group } from '../groups/group.ts';

export type EvaluationMode = 'sampled' | 'greedy';

export interface EvaluatedSample {
  readonly mode: EvaluationMode;
  readonly row: { readonly id: string; readonly tags: Readonly<Record<string, string>> };
  /** Undefined when infrastructure failed: absent, never 0 (P2). */
  readonly result: RolloutResult | undefined;
}

/** The samples of evaluated groups; `modeAt` says how the sample at an index was drawn. */
export function evaluatedSamples(
  groups: readonly Group[],
  modeAt: (index: number) => EvaluationMode,
): EvaluatedSample[] {
  return groups.flatMap(({ plan: { row }, samples }) =>
    samples.map(({ index, result }) => ({ mode: modeAt(index), row, result })),
  );
}

/**
 * `sampled.exact_match`, `greedy.f1`, `sampled.level=2.exact_match` … : means over the samples that came back, of every component and
 * of the reward, of what the environment reports (`sampled.environment.moves`), their number `n`, how many are `absent`, how many lack a component (`unscored`, where any does), the 95 % interval of the primary metric (`sampled.exact_match.low`), and
 * `sampled.detector.NAME`, the share in which a detector of reward hacking fired. What no sample has is not there (P2).
 */
export function evaluationMetrics(
  samples: readonly EvaluatedSample[],
  composition: Composition,
  headline: Headline,
): Record<string, number> {
  const metrics: Record<string, number> = {};
  for (const mode of ['sampled', 'greedy'] as const) {
    const ofMode = samples.filter((sample) => sample.mode === mode);
    if (ofMode.length === 0) continue;
    summarize(metrics, mode, ofMode, composition, headline);
    for (const name of detectorNames) metrics[`${mode}.detector.${name}`] = firedShare(ofMode, name);
    const { parts, leftOut } = splitByTags(ofMode, ({ row }) => row.tags, headline.tags);
    for (const [part, of] of parts) summarize(metrics, `${mode}.${part}`, of, composition, headline);
    // P9: what is not there is counted.
    if (leftOut > 0) metrics[`${mode}.tag_values_left_out`] = leftOut;
  }
  return withRewards(metrics, composition);
}

/**
 * The same evaluation with the mean reward that another weighted sum gives: means are linear in the components, so it is composed of
 * their means. Any other composition is not linear, and its reward stays the mean over the rollouts.
 */
export function withRewards(
  metrics: Readonly<Record<string, number>>,
  composition: Composition,
): Record<string, number> {
  const rewarded: Record<string, number> = { ...metrics };
  if (!isWeightedSum(composition)) return rewarded;
  for (const part of partsOf(metrics)) {
    const means = composition.weights.flatMap(({ name }) => {
      const mean = metrics[`${part}.${name}`];
      return mean === undefined ? [] : [[name, mean] as const];
    });
    const mean = compose(composition, { components: Object.fromEntries(means), detectors: {}, modelTokens: 0 });
    if (mean !== undefined) rewarded[`${part}.${rewardMetric}`] = mean;
  }
  return rewarded;
}

function firedShare(samples: readonly EvaluatedSample[], detector: DetectorName): number {
  const results = samples.flatMap(({ result }) => result ?? []);
  return meanOf(results.map(({ detectors }) => ((detectors[detector] ?? 0) > 0 ? 1 : 0)));
}

function summarize(
  metrics: Record<string, number>,
  part: string,
  samples: readonly EvaluatedSample[],
  composition: Composition,
  { primaryMetric }: Headline,
): void {
  const results = samples.flatMap(({ result }) => result ?? []);
  metrics[`${part}.n`] = results.length;
  metrics[`${part}.absent`] = samples.length - results.length;
  if (results.length === 0) return;
  // P9: a mean over fewer rollouts than came back is told as such.
  const unscored = results.filter(({ absentComponents }) => Object.keys(absentComponents).length > 0).length;
  if (unscored > 0) metrics[`${part}.unscored`] = unscored;
  // What a judge could not give is absent, never 0 (P2).
  const add = (name: string, values: readonly number[]): void => {
    if (values.length > 0) metrics[`${part}.${name}`] = meanOf(values);
  };
  for (const name of new Set(results.flatMap(({ components }) => Object.keys(components))))
    add(
      name,
      results.flatMap(({ components }) => components[name] ?? []),
    );
  add(
    rewardMetric,
    results.flatMap((result) => compose(composition, result) ?? []),
  );
  const { means, leftOut } = environmentMeans(results.map(({ environmentMetrics }) => environmentMetrics));
  for (const [name, value] of Object.entries(means)) metrics[`${part}.environment.${name}`] = value;
  if (leftOut > 0) metrics[`${part}.environment_metrics_left_out`] = leftOut;
  const valueOf = (result: RolloutResult): number | undefined =>
    primaryMetric === rewardMetric ? compose(composition, result) : result.components[primaryMetric];
  const interval = estimateOf(perRow(samples, valueOf), [part, primaryMetric]);
  if (interval !== undefined) {
    metrics[`${part}.${primaryMetric}.low`] = interval.low;
    metrics[`${part}.${primaryMetric}.high`] = interval.high;
  }
  const mean = (value: (result: RolloutResult) => number): number => meanOf(results.map(value));
  metrics[`${part}.answered`] = mean(({ prediction }) => (prediction === undefined ? 0 : 1));
  metrics[`${part}.truncated`] = mean(({ truncated }) => (truncated ? 1 : 0));
  metrics[`${part}.turns`] = mean(({ turns }) => turns);
  metrics[`${part}.tool_calls`] = mean(({ toolCalls }) => toolCalls);
  metrics[`${part}.model_tokens`] = mean(({ modelTokens }) => modelTokens);
  metrics[`${part}.total_tokens`] = mean(
    ({ promptTokens, modelTokens, environmentTokens }) => promptTokens + modelTokens + environmentTokens,
  );
}

/** Samples of one row are no independent observations: each row counts with the mean of those that have a value. */
function perRow(
  samples: readonly EvaluatedSample[],
  valueOf: (result: RolloutResult) => number | undefined,
): readonly number[] {
  const byRow = new Map<string, number[]>();
  for (const { row, result } of samples) {
    const value = result === undefined ? undefined : valueOf(result);
    if (value === undefined) continue;
    const known = byRow.get(row.id);
    if (known === undefined) byRow.set(row.id, [value]);
    else known.push(value);
  }
  return [...byRow.values()].map(meanOf);
}
