import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import type { GroupClosed, SampleOutcome } from '#proto/coordinator/v1/ledger_pb.ts';

/** What became of the training groups of a stage, those that were not needed any more left out. */
export interface TrainingTally {
  readonly groups: number;
  /** Of them, those of whose rewards nothing can be learned: they do not vary, or no role that is trained has spoken. */
  readonly flatGroups: number;
  /** Given up whole, for samples that were missing. */
  readonly droppedGroups: number;
  /** Samples with a reward, and those of them whose reward is 0. */
  readonly rewards: number;
  readonly zeroRewards: number;
  /** Samples that failed: they have no reward, and are no 0 (P2). */
  readonly absentRewards: number;
}

export const emptyTally: TrainingTally = {
  groups: 0,
  flatGroups: 0,
  droppedGroups: 0,
  rewards: 0,
  zeroRewards: 0,
  absentRewards: 0,
};

/** The tally with one more training group that is closed. */
export function withClosedGroup(tally: TrainingTally, { fate, samples }: GroupClosed): TrainingTally {
  if (fate === GroupFate.SURPLUS) return tally;
  const rewards = samples.flatMap(({ reward }) => (reward === undefined ? [] : [reward]));
  const isDropped = fate === GroupFate.DROPPED;
  return {
    groups: tally.groups + 1,
    flatGroups: tally.flatGroups + Number(!isDropped && !hasSignal(samples)),
    droppedGroups: tally.droppedGroups + Number(isDropped),
    rewards: tally.rewards + rewards.length,
    zeroRewards: tally.zeroRewards + rewards.filter((reward) => reward === 0).length,
    absentRewards:
      tally.absentRewards + samples.filter(({ reward, cancelled }) => reward === undefined && !cancelled).length,
  };
}

/** Advantages of equal rewards are that far from 0 by rounding. */
const rounding = 1e-9;

/** Whether there is anything to learn from samples: an advantage that is not 0, of a sample or of a role that is trained. */
export function hasSignal(samples: readonly SampleOutcome[]): boolean {
  return samples.some(({ advantage, roles }) =>
    [advantage, ...roles.flatMap((role) => (role.trained ? [role.advantage] : []))].some(
      (value) => Math.abs(value) > rounding,
    ),
  );
}
