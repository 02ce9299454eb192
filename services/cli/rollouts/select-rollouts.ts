import { FailureClass, type RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { createRandom, permutation } from '#platform/random.ts';
import { failureWord } from '#trajectory/enum-words.ts';
import type { CountedRollout } from '#run/rollouts/counted-rollouts.ts';

export const purposes = ['train', 'eval'] as const;
export const orders = ['newest', 'oldest', 'best', 'worst', 'random'] as const;
/** Words of `--failure` beside the failure classes. */
export const anyFailure = ['none', 'any'] as const;

/** Which rollouts, and in which order. What is undefined asks for nothing. */
export interface Selection {
  readonly stage?: string | undefined;
  readonly step?: number | undefined;
  readonly purpose?: (typeof purposes)[number] | undefined;
  /** A failure class, `any` or `none`. */
  readonly failure?: string | undefined;
  readonly minReward?: number | undefined;
  readonly maxReward?: number | undefined;
  /** A detector of reward hacking that fired. */
  readonly detector?: string | undefined;
  readonly sort: (typeof orders)[number];
  /** Of the random order. */
  readonly seed: number;
}

/** A rollout as its result and its run's ledger have it. */
export interface FoundRollout {
  readonly result: RolloutResult;
  readonly counted: CountedRollout;
}

export function isSelected({ result, counted }: FoundRollout, selection: Selection): boolean {
  const { stage, step, purpose, failure, minReward, maxReward, detector } = selection;
  const reward = counted.reward.kind === 'reward' ? counted.reward.reward : undefined;
  return (
    (stage === undefined || result.stage === stage) &&
    (step === undefined || counted.group?.step === step) &&
    (purpose === undefined || (result.purpose === Purpose.EVAL) === (purpose === 'eval')) &&
    (failure === undefined || hasFailure(result.failure, failure)) &&
    (minReward === undefined || (reward !== undefined && reward >= minReward)) &&
    (maxReward === undefined || (reward !== undefined && reward <= maxReward)) &&
    (detector === undefined || (result.detectors[detector] ?? 0) > 0)
  );
}

function hasFailure(failure: FailureClass, wanted: string): boolean {
  const failed = failure !== FailureClass.UNSPECIFIED;
  if (wanted === 'any' || wanted === 'none') return failed === (wanted === 'any');
  return failed && failureWord(failure) === wanted;
}

/** `found` in the order that is asked for; it comes oldest first. Rollouts without a reward are the last of `best` and `worst`. */
export function inOrder<Found extends FoundRollout>(
  found: readonly Found[],
  { sort, seed }: Pick<Selection, 'sort' | 'seed'>,
): readonly Found[] {
  switch (sort) {
    case 'oldest':
      return found;
    case 'newest':
      return found.toReversed();
    case 'best':
      return found.toSorted((a, b) => rewardOr(b, -Infinity) - rewardOr(a, -Infinity) || 0);
    case 'worst':
      return found.toSorted((a, b) => rewardOr(a, Infinity) - rewardOr(b, Infinity) || 0);
    case 'random':
      return [...permutation(found.length, createRandom('rollout list', seed))].flatMap((index) => found[index] ?? []);
  }
}

function rewardOr({ counted: { reward } }: FoundRollout, absent: number): number {
  return reward.kind === 'reward' ? reward.reward : absent;
}
