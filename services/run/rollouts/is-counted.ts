import { GroupFate, type GroupClosed, type SampleOutcome } from '#proto/coordinator/v1/ledger_pb.ts';

/**
 * Whether a closed group counts a sample. Without a reward it does not, except in an evaluation, where an answer that its judge did not grade
 * came back all the same, as its trajectory shows.
 */
export function isCounted(
  { fate }: Pick<GroupClosed, 'fate'>,
  { reward, trajectorySequence }: Pick<SampleOutcome, 'reward' | 'trajectorySequence'>,
): boolean {
  return reward !== undefined || (fate === GroupFate.EVALUATED && trajectorySequence > 0n);
}
