import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { ScoreItemSchema, ScoreSchema } from '#proto/reward/v1/reward_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { RolloutTaskSchema } from '#proto/rollout/v1/task_pb.ts';
import { SegmentKind, TrajectorySchema } from '#proto/trajectory/v1/trajectory_pb.ts';
import { packScore } from '#trajectory/recorded-score.ts';
import { atifOf } from './atif.ts';
import { jsonLine } from '../terminal/json-line.ts';
import { exportedJson } from './rollout-json.ts';
import type { ReadRollout } from './read-selected.ts';

const { PROMPT, MODEL, ENVIRONMENT } = SegmentKind;
const written = { versions: { first: 2n, last: 3n } };

function searched(): ReadRollout {
  const trajectory = create(TrajectorySchema, {
    segments: [
      { kind: PROMPT, text: 'Who?', tokenIds: [1, 2] },
      { kind: MODEL, text: '<tool>', tokenIds: [3], logprobs: [-0.5], ...written },
      { kind: ENVIRONMENT, text: '<result> Ann', tokenIds: [4, 5] },
      { kind: MODEL, text: '<answer> Ann', tokenIds: [6, 7], logprobs: [-0.25, -1], ...written },
    ],
  });
  const item = create(ScoreItemSchema, {
    turns: [
      { text: '<tool>', action: { case: 'toolCall', value: { name: 'lookup', argumentsJson: '{"q":"who"}' } } },
      { text: '<answer> Ann', action: { case: 'answer', value: { text: 'Ann' } } },
    ],
  });
  const scored = { ...trajectory, ...packScore(trajectory.segments, { item, score: create(ScoreSchema, {}) }) };
  const row = { id: 'r1', dataJson: '{"question":"Who?"}', goldJson: '{"answer":"Ann"}', tags: { hops: '1' } };
  return {
    result: create(RolloutResultSchema, { taskId: 't1', promptTokens: 2, modelTokens: 3, environmentTokens: 2 }),
    counted: { reward: { kind: 'reward', reward: 1 }, group: undefined },
    recorded: { trajectory: scored, task: create(RolloutTaskSchema, { environment: 'notes', row }) },
  };
}

test('P4: ATIF has each turn as a step with its call, what came back, and the very tokens that the policy read and wrote', () => {
  expect(atifOf(searched(), '1.2.3')).toMatchObject({
    schema_version: 'ATIF-v1.8',
    session_id: 't1',
    agent: { name: 'gradus/notes', version: '1.2.3', model_name: 'policy@3' },
    steps: [
      { step_id: 1, source: 'user', message: 'Who?' },
      {
        step_id: 2,
        source: 'agent',
        message: '<tool>',
        tool_calls: [{ tool_call_id: 'call', function_name: 'lookup', arguments: { q: 'who' } }],
        observation: { results: [{ source_call_id: 'call', content: '<result> Ann' }] },
        metrics: { prompt_token_ids: [1, 2], completion_token_ids: [3], logprobs: [-0.5] },
      },
      {
        step_id: 3,
        source: 'agent',
        message: '<answer> Ann',
        metrics: { prompt_tokens: 5, prompt_token_ids: [1, 2, 3, 4, 5], completion_token_ids: [6, 7] },
      },
    ],
    final_metrics: { total_prompt_tokens: 4, total_completion_tokens: 3, total_steps: 3 },
    extra: { gradus: { rollout: 't1', reward: 1 } },
  });
});

test('a line of an export has the row, its gold and the whole sequence', () => {
  expect(JSON.parse(jsonLine(exportedJson(searched())))).toMatchObject({
    rollout: 't1',
    tags: { hops: '1' },
    data: { question: 'Who?' },
    gold: { answer: 'Ann' },
    segments: [
      { kind: 'prompt', text: 'Who?', token_ids: [1, 2] },
      { kind: 'model', token_ids: [3], logprobs: [-0.5], versions: [2, 3] },
      { kind: 'environment', token_ids: [4, 5] },
      { kind: 'model', token_ids: [6, 7] },
    ],
  });
});

test('a rollout without a trajectory is said to have none', () => {
  const { result, counted } = searched();
  const lost: ReadRollout = { result, counted, recorded: undefined };
  expect(atifOf(lost, '1')).toBeUndefined();
  expect(JSON.parse(jsonLine(exportedJson(lost)))).toMatchObject({ data: null, segments: null, tags: null });
});
