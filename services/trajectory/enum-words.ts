import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { FinishReason } from '#proto/trajectory/v1/trajectory_pb.ts';

/** The words of an enum of the contracts, for people, labels and spans: a closed set, with `unknown` for what a later version may add. */
function wordsOf(values: Readonly<Record<string, number>>): (value: number) => string {
  const words = new Map(Object.entries(values).map(([name, value]) => [value, name.toLowerCase()]));
  return (value) => words.get(value) ?? 'unknown';
}

export const failureWord: (failure: FailureClass) => string = wordsOf(FailureClass);
export const finishWord: (reason: FinishReason) => string = wordsOf(FinishReason);
export const purposeWord: (purpose: Purpose) => string = wordsOf(Purpose);
export const fateWord: (fate: GroupFate) => string = wordsOf(GroupFate);
