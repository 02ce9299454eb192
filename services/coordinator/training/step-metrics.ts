import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { meanOf, rewardsVary, standardDeviation } from '#rewards/advantages.ts';
import { environmentMeans } from '#rewards/environment-metrics.ts';
import { splitByTags } from '#rewards/metric-names.ts';
import { detectorNames } from '#rewards/detector-names.ts';
import { scorerNames } from '#rewards/scorer-catalogue.ts';

export interface ClosedGroup {
  readonly fate: GroupFate;
  /** Of its row. */
  readonly tags: Readonly<Record<string, string>>;
  readonly durationMs: number;
  readonly size: number;
  readonly results: readonly RolloutResult[];
  /** What its samples were given in the end: composed, with what the group's comparison gave, shaped. */
  readonly rewards: readonly number[];
}

/**
 * What the rollouts of a step were like, in the names that users of other trainers know. Over all groups of the step,
 * those without variance too, since these are part of how the policy does.
 */
export function rolloutMetrics(
  groups: readonly ClosedGroup[],
  version: number,
  varianceTolerance: number,
  tags: readonly string[],
): Record<string, number> {
  const results = groups.flatMap((group) => group.results);
  const rewards = groups.flatMap((group) => group.rewards);
  const count = (fate: GroupFate) => groups.filter((group) => group.fate === fate).length;
  const share = (holds: (result: RolloutResult) => boolean) =>
    results.length === 0 ? 0 : results.filter(holds).length / results.length;
  const flat = groups.filter((group) => !rewardsVary(group.rewards, varianceTolerance)).length;
  const toolCalls = results.reduce((sum, result) => sum + result.toolCalls, 0);
  const toolFailures = results.reduce((sum, result) => sum + result.toolFailures, 0);
  const behind = results.map((result) => Math.max(0, version - Number(result.versions?.first ?? 0n)));
  return {
    'reward/mean': meanOf(rewards),
    'reward/std': standardDeviation(rewards),
    ...componentMetrics(results),
    ...tagMetrics(groups, tags),
    ...environmentMetrics(results),
    ...detectorMetrics(results),
    frac_reward_zero_std: groups.length === 0 ? 0 : flat / groups.length,
    ...spread(
      'completion_length',
      results.map((result) => result.modelTokens),
    ),
    ...spread(
      'sequence_length',
      results.map((result) => result.promptTokens + result.modelTokens + result.environmentTokens),
    ),
    'turns/mean': meanOf(results.map((result) => result.turns)),
    'tools/call_frequency': results.length === 0 ? 0 : toolCalls / results.length,
    'tools/failure_frequency': toolCalls === 0 ? 0 : toolFailures / toolCalls,
    'rollouts/truncated': share((result) => result.truncated),
    'rollouts/answered': share((result) => result.prediction !== undefined),
    ...spread(
      'group_completion_seconds',
      groups.map((group) => group.durationMs / 1000),
    ),
    'off_policy/mean': meanOf(behind),
    'off_policy/max': behind.reduce((most, value) => Math.max(most, value), 0),
    'groups/opened': groups.length,
    'groups/kept': count(GroupFate.KEPT) + count(GroupFate.SHRUNK),
    'groups/shrunk': count(GroupFate.SHRUNK),
    'groups/no_variance': count(GroupFate.NO_VARIANCE),
    'groups/dropped': count(GroupFate.DROPPED),
    'rollouts/published': groups.reduce((sum, group) => sum + group.size, 0),
    'rollouts/completed': results.length,
  };
}

/** Means over the rollouts that have a component: what a judge could not give is absent, never 0 (P2). */
function componentMetrics(results: readonly RolloutResult[]): Record<string, number> {
  const scorers = new Set(results.flatMap((result) => Object.keys(result.components)));
  return Object.fromEntries(
    [...scorers].sort().flatMap((name) => {
      const values = results.flatMap(({ components }) => components[name] ?? []);
      const mean: [string, number] = [`reward/${name}`, meanOf(values)];
      // What the recipe declares is watched for falling while the reward rises.
      return scorerNames.includes(name) ? [mean] : [mean, [`reward/${name}/std`, standardDeviation(values)]];
    }),
  );
}

/** `reward/level=3/mean` and `reward/level=3/NAME`: the same by the values of declared tags. */
function tagMetrics(groups: readonly ClosedGroup[], tags: readonly string[]): Record<string, number> {
  const { parts, leftOut } = splitByTags(groups, (group) => group.tags, tags);
  const metrics: Record<string, number> = {};
  for (const [part, of] of parts) {
    const rewards = of.flatMap((group) => group.rewards);
    if (rewards.length > 0) metrics[`reward/${part}/mean`] = meanOf(rewards);
    const results = of.flatMap((group) => group.results);
    for (const name of new Set(results.flatMap(({ components }) => Object.keys(components))))
      metrics[`reward/${part}/${name}`] = meanOf(results.flatMap(({ components }) => components[name] ?? []));
  }
  return leftOut === 0 ? metrics : { ...metrics, 'reward/tag_values_left_out': leftOut };
}

function environmentMetrics(results: readonly RolloutResult[]): Record<string, number> {
  const { means, leftOut } = environmentMeans(results.map((result) => result.environmentMetrics));
  const named = Object.entries(means).map(([name, value]) => [`environment/${name}`, value] as const);
  return { ...Object.fromEntries(named), ...(leftOut > 0 && { environment_metrics_left_out: leftOut }) };
}

/** Of every detector, the share of rollouts in which it fired, and its mean value over all of them. */
function detectorMetrics(results: readonly RolloutResult[]): Record<string, number> {
  return Object.fromEntries(
    detectorNames.flatMap((name) => {
      const values = results.map(({ detectors }) => detectors[name] ?? 0);
      return [
        [`detector/${name}`, meanOf(values.map((value) => (value > 0 ? 1 : 0)))],
        [`detector/${name}/mean`, meanOf(values)],
      ];
    }),
  );
}

const learnerNames: Readonly<Record<string, string>> = {
  clip_fraction: 'clip_ratio',
  clip_fraction_low: 'clip_ratio/low',
  entropy: 'entropy',
  grad_norm: 'grad_norm',
  mismatch_k3: 'mismatch_kl',
  loss: 'loss',
  learning_rate: 'learning_rate',
  token_mismatches: 'token_mismatches',
};

/** A metric of the learner under the name that users know; the others keep theirs under `train/`. */
export function learnerMetricName(name: string): string {
  return learnerNames[name] ?? `train/${name}`;
}

export function learnerMetrics(metrics: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [learnerMetricName(name), value]));
}

function spread(name: string, values: readonly number[]): Record<string, number> {
  const sorted = values.toSorted((a, b) => a - b);
  const p90 = sorted[Math.max(0, Math.ceil(sorted.length * 0.9) - 1)] ?? 0;
  return { [`${name}/mean`]: meanOf(values), [`${name}/p90`]: p90, [`${name}/max`]: sorted.at(-1) ?? 0 };
}
