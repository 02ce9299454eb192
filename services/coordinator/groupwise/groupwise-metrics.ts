import type { GroupClosed, GroupJudged } from '#proto/coordinator/v1/ledger_pb.ts';
import { meanOf } from '#rewards/advantages.ts';

/**
 * What the groupwise scorers of a step gave, from the closes of its groups; empty where there were none. Bias and inconsistency are
 * means over judgements, so that a group that rules decided does not count as an unbiased one.
 */
export function groupwiseMetrics(
  closed: readonly Pick<GroupClosed, 'samples' | 'judged'>[],
  scoringSeconds: readonly number[],
): Record<string, number> {
  const judged = closed.flatMap((group) => Object.values(group.judged));
  if (judged.length === 0) return scoringSeconds.length === 0 ? {} : { 'time/group_scoring': meanOf(scoringSeconds) };
  const values = new Map<string, number[]>();
  for (const { components } of closed.flatMap(({ samples }) => samples)) {
    for (const [name, value] of Object.entries(components)) values.set(name, [...(values.get(name) ?? []), value]);
  }
  const sum = (of: (one: GroupJudged) => number) => judged.reduce((total, one) => total + of(one), 0);
  const judgements = sum((one) => one.judgements);
  const mean = (of: (one: GroupJudged) => number) =>
    judgements === 0 ? 0 : sum((one) => of(one) * one.judgements) / judgements;
  return {
    ...Object.fromEntries([...values].map(([name, all]) => [`reward/${name}`, meanOf(all)])),
    'judge/judgements': judgements,
    'judge/cached': sum((one) => one.cached),
    'judge/missing': sum((one) => one.missing),
    'judge/position_bias': mean((one) => one.positionBias),
    'judge/inconsistency': mean((one) => one.inconsistency),
    ...(scoringSeconds.length > 0 && { 'time/group_scoring': meanOf(scoringSeconds) }),
  };
}
