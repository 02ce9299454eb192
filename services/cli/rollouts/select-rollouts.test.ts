import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { FailureClass, RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { inOrder, isSelected, type FoundRollout, type Selection } from './select-rollouts.ts';

type Given = MessageInitShape<typeof RolloutResultSchema> & {
  readonly reward?: number | 'none';
  readonly step?: number;
};

function rollout({ reward = 'none', step = 0, ...given }: Given): FoundRollout {
  const result = create(RolloutResultSchema, { stage: 'one', purpose: Purpose.TRAIN, ...given });
  const group = { step, evaluation: '', questionId: 'q', fate: undefined };
  return { result, counted: { reward: reward === 'none' ? { kind: 'none' } : { kind: 'reward', reward }, group } };
}

const everything: Selection = { sort: 'oldest', seed: 1 };
const found = [
  rollout({ taskId: 'a', reward: 0.5, step: 1 }),
  rollout({ taskId: 'b', reward: 1, stage: 'two', detectors: { giant_answer: 1 } }),
  rollout({ taskId: 'c', failure: FailureClass.POLICY_UNAVAILABLE }),
  rollout({ taskId: 'd', reward: 0, failure: FailureClass.CONTEXT_OVERFLOW, purpose: Purpose.EVAL }),
];
const ids = (rollouts: readonly FoundRollout[]): string => rollouts.map(({ result }) => result.taskId).join('');

test.each<[string, Partial<Selection>]>([
  ['abcd', {}],
  ['b', { stage: 'two' }],
  ['a', { step: 1 }],
  ['d', { purpose: 'eval' }],
  ['abc', { purpose: 'train' }],
  ['cd', { failure: 'any' }],
  ['ab', { failure: 'none' }],
  ['d', { failure: 'context_overflow' }],
  ['ab', { minReward: 0.5 }],
  ['ad', { maxReward: 0.5 }],
  ['b', { detector: 'giant_answer' }],
  ['', { detector: 'candidate_list' }],
])('P2: %j is what %j asks for, and who has no reward is within no range of rewards', (wanted, selection) => {
  expect(ids(found.filter((one) => isSelected(one, { ...everything, ...selection })))).toBe(wanted);
});

test('the best and the worst are first, those without a reward last, and chance repeats with its seed (P8)', () => {
  const order = (sort: Selection['sort'], seed = 1): string => ids(inOrder(found, { sort, seed }));
  expect([order('oldest'), order('newest'), order('best'), order('worst')]).toEqual(['abcd', 'dcba', 'badc', 'dabc']);
  expect(order('random', 7)).toBe(order('random', 7));
  expect(order('random').split('').toSorted().join('')).toBe('abcd');
});
