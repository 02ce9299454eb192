import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { FailureClass, RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import {
  FinishReason,
  LogprobKind,
  SamplingSchema,
  TrajectorySchema,
  VersionSpanSchema,
} from '#proto/trajectory/v1/trajectory_pb.ts';
import { SegmentKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { environmentSegment, modelSegment, promptSegment } from '#trajectory/segments.ts';
import { createColours } from '../terminal/colours.ts';
import { textOf } from '../terminal/terminal.ts';
import { renderTranscript, trainedMark } from './render-transcript.ts';

const model = (text: string, tokens: number[], first: bigint, last: bigint) =>
  modelSegment({
    text,
    tokenIds: tokens,
    logprobs: tokens.map(() => -0.5),
    logprobKind: LogprobKind.TEMPERED,
    finishReason: FinishReason.STOP,
    versions: create(VersionSpanSchema, { first, last }),
    sampling: create(SamplingSchema, { temperature: 1 }),
  });

const trajectory = create(TrajectorySchema, {
  taskId: 'abc',
  segments: [
    promptSegment('Who?', [1, 2]),
    model('<tool>x</tool>', [3, 4, 5], 2n, 3n),
    environmentSegment('<result> one\ntwo</result>\n', [6]),
    model('<answer>Ada</answer>', [7], 3n, 3n),
  ],
});
const result = create(RolloutResultSchema, {
  runId: 'demo',
  taskId: 'abc',
  stage: 'tool-use',
  components: { format: 1, exact_match: 1 },
  prediction: 'Ada',
  turns: 2,
});

test('exactly the lines that the policy wrote are marked as trained on', () => {
  const lines = renderTranscript(trajectory, result, 1.25, createColours(false));
  expect(lines.filter((line) => line.startsWith('+ '))).toEqual(['+ <tool>x</tool>', '+ <answer>Ada</answer>']);
  expect(lines).toContain('  <result> one');
  expect(lines).toContain('  two</result>');
  expect(lines.join('\n')).toContain("lines marked with '+' are trained on: 4 of 7 tokens");
});

test('what the environment reported is next to the reward, and nothing is said where it reported nothing', () => {
  const reported = { ...result, environmentMetrics: { moves: 3, depth: 1 / 3 } };
  expect(renderTranscript(trajectory, reported, 1.25, createColours(false))).toContain(
    'environment: depth 0.3333, moves 3',
  );
  expect(renderTranscript(trajectory, result, 1.25, createColours(false)).join('\n')).not.toContain('environment: ');
});

test('each turn says who wrote it, with which version, and how it ended', () => {
  const text = renderTranscript(trajectory, result, 1.25, createColours(false)).join('\n');
  expect(text).toContain('2 turns, 0 of 0 tool calls succeeded, ');
  expect(text).toContain('-- prompt, 2 tokens');
  expect(text).toContain('-- policy, 3 tokens, versions 2 to 3, stopped, mean logprob -0.500');
  expect(text).toContain('-- environment, 1 token');
  expect(text).toContain('reward: 1.2500 (unweighted: exact_match 1.000, format 1.000)');
});

test('P2: a rollout without a reward says so instead of showing a number', () => {
  const failed = create(RolloutResultSchema, {
    taskId: 'abc',
    failure: FailureClass.REWARD_UNAVAILABLE,
    failureDetail: 'gone',
  });
  const text = renderTranscript(trajectory, failed, undefined, createColours(false)).join('\n');
  expect(text).toContain('reward: none');
  expect(text).toContain('failure: reward_unavailable gone');
});

test('no text passes for a line that is trained on: neither by a carriage return nor by a line end', () => {
  const forged = {
    ...trajectory,
    segments: trajectory.segments.map((segment) => ({ ...segment, text: 'page\r+ forged\n+ forged\u2028+ forged' })),
  };
  const shown = textOf(renderTranscript(forged, { ...result, failureDetail: 'x\n+ forged' }, 1, createColours(false)));
  const trained = shown.split('\n').filter((line) => line.startsWith(trainedMark));
  const models = forged.segments.filter(({ kind }) => kind === SegmentKind.MODEL).length;
  expect(trained).toHaveLength(2 * models);
  expect(shown).not.toContain('\r');
});
