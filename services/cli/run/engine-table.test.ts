import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { EngineOutput, EngineState, EngineStatusSchema } from '#proto/policy/v1/policy_pb.ts';
import { LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { engineLines, engineWords } from './engine-table.ts';

const up = create(EngineStatusSchema, {
  address: 'a:1',
  state: EngineState.UP,
  version: 3n,
  server: 'vllm 0.32.0',
  output: EngineOutput.LOGPROBS,
  logprobKind: LogprobKind.RAW,
  load: { running: 4, waiting: 1, capacity: 8, kvUsedRatio: 0.25 },
  inFlight: 5,
});
const plain = create(EngineStatusSchema, {
  address: 'b:2',
  state: EngineState.DOWN,
  output: EngineOutput.TOKENS,
  fixedWeights: true,
  problem: 'nothing listens at b:2',
  advice: ['start it with --logprobs'],
});

test('engines are listed with what they give, and those that are down with the reason', () => {
  const text = engineLines([up, plain, create(EngineStatusSchema, { address: 'c:3', state: EngineState.DOWN })]).join(
    '\n',
  );
  expect(text).toMatch(/a:1 +│ up +│ 3 +│ vllm 0.32.0 +│ tokens, raw logprobs +│ 4\+1\/8 +│ 25% +│ 5 /);
  expect(text).toMatch(/b:2 +│ down +│ 0 +│ +│ tokens, fixed weights +│/);
  expect(text).toMatch(/c:3 +│ down +│ 0 +│ +│ +│/);
  expect(text).toContain('b:2: nothing listens at b:2\nb:2: start it with --logprobs');
  expect(engineWords(up)).toBe('version 3, vllm 0.32.0, tokens, raw logprobs');
});
