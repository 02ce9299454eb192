import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';
import { FailureClass, RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { createTally, quantiles } from './tally.ts';

const composition = create(CompositionSchema, { weights: [{ name: 'exact_match', weight: 1 }] });
const resultOf = (taskId: string, more: MessageInitShape<typeof RolloutResultSchema> = {}) =>
  create(RolloutResultSchema, {
    taskId,
    components: { exact_match: 1 },
    turns: 2,
    durationMs: 30,
    generateMs: 10,
    ...more,
  });

test('P1: a task counts once, however often its result comes; a stranger counts not at all', () => {
  const tally = createTally(composition);
  for (const id of ['a', 'b', 'c']) tally.asked(id);
  expect(['a', 'a', 'b', 'x', 'a'].map((id) => tally.received(resultOf(id)))).toEqual([
    true,
    false,
    true,
    false,
    false,
  ]);
  expect(tally.counts()).toEqual({ answered: 2, duplicated: 2, unknown: 1, failures: {}, rewardMean: 1, turns: 4 });
});

test('P2: a failure is counted by its class and has no part in the mean reward', () => {
  const tally = createTally(composition);
  for (const id of ['a', 'b']) tally.asked(id);
  tally.received(resultOf('a', { components: { exact_match: 0.5 } }));
  tally.received(resultOf('b', { components: {}, failure: FailureClass.POLICY_UNAVAILABLE, turns: 0 }));
  expect(tally.counts()).toMatchObject({ failures: { policy_unavailable: 1 }, rewardMean: 0.5 });
});

test('overhead is the time of a rollout without its engines, per turn', () => {
  const tally = createTally(composition);
  tally.asked('a');
  tally.received(resultOf('a'));
  expect(tally.overheadMsPerTurn()).toEqual({ median: 10, p90: 10, p99: 10 });
});

test('quantiles are nearest ranks', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(quantiles(hundred)).toEqual({ median: 50, p90: 90, p99: 99 });
  expect(quantiles([])).toEqual({ median: 0, p90: 0, p99: 0 });
});
