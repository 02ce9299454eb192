import { create, toBinary } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { Purpose, RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import { SegmentKind, TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { isSampleDue, renderSample } from './sample-rollouts.ts';

const { PROMPT, MODEL, ENVIRONMENT } = SegmentKind;
const task = create(RolloutTaskSchema, {
  row: { dataJson: '{"question":"Who founded  Dell?"}' },
  composition: create(CompositionSchema, { weights: [{ name: 'exact_match', weight: 1 }] }),
});
const result = create(RolloutResultSchema, {
  taskId: '3f9a12c08be4ffff',
  purpose: Purpose.TRAIN,
  components: { exact_match: 1 },
  prediction: 'Ann',
});
const trajectory = (...texts: readonly (readonly [SegmentKind, string])[]) =>
  create(TrajectorySchema, {
    taskId: result.taskId,
    task: toBinary(RolloutTaskSchema, task),
    segments: texts.map(([kind, text]) => ({ kind, text })),
  });

test('a sample has the question, what each side wrote in a line each, and the reward', () => {
  const lines = renderSample(
    result,
    trajectory([PROMPT, 'Who?'], [MODEL, '<tool>\nDell</tool>'], [ENVIRONMENT, 'x'.repeat(400)], [MODEL, 'Ann']),
  );
  expect(lines).toEqual([
    '  sample 3f9a12c08be4 (train): Who founded Dell?',
    '    + <tool> Dell</tool>',
    `      ${'x'.repeat(159)}…`,
    '    + Ann',
    '    reward 1.000, answer "Ann"; all of it: gradus rollout show 3f9a12c08be4',
  ]);
});

test('of a long one the beginning and the end are shown', () => {
  const turns = Array.from({ length: 10 }, (_, turn) => [MODEL, `turn ${turn}`] as const);
  const lines = renderSample(result, trajectory(...turns));
  expect(lines.slice(1, -1).map((line) => line.trim())).toEqual([
    '+ turn 0',
    '+ turn 1',
    '+ turn 2',
    '… 4 parts between',
    '+ turn 7',
    '+ turn 8',
    '+ turn 9',
  ]);
});

test('a sample is due after the first step, after each evaluation, and later with a step', () => {
  const at = (step: number, metrics = {}) => ({ step, metrics });
  const evaluated = at(3, { 'eval/sampled.exact_match': 0.5 });
  const never = { any: false, agoMs: 0 };
  expect(isSampleDue(undefined, evaluated, never)).toBe(false);
  expect(isSampleDue(at(0), at(1), never)).toBe(true);
  expect(isSampleDue(at(1), at(2), { any: true, agoMs: 1_000 })).toBe(false);
  expect(isSampleDue(at(3), evaluated, { any: true, agoMs: 1_000 })).toBe(true);
  expect(isSampleDue(evaluated, evaluated, { any: true, agoMs: 1_000_000 })).toBe(false);
  expect(isSampleDue(at(3), at(4), { any: true, agoMs: 1_000_000 })).toBe(true);
});
