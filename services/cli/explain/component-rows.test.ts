import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { ExplainResponseSchema, ScoreItemSchema, ScoreSchema } from '#proto/reward/v1/reward_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import pc from 'picocolors';
import { componentRows, detectorRows, recordedSteps } from './component-rows.ts';
import { renderExplanation } from './render-explanation.ts';

const explained = create(ExplainResponseSchema, {
  components: [
    { name: 'exact_match', value: 1, weight: 1, reasons: ['equal'] },
    { name: 'house', weight: 0.5, reasons: ['a scorer of the config'] },
    { name: 'correct', weight: 1, reasons: ['judge main'] },
  ],
  detectors: [
    { name: 'giant_answer', value: 0 },
    { name: 'candidate_list', value: 0.5 },
  ],
});
const score = (fields: MessageInitShape<typeof ScoreSchema>) => create(ScoreSchema, fields);

test('a number that scoring again does not give is flagged; what would have to be asked again is not', () => {
  const rows = componentRows(
    score({ components: { exact_match: 0.5, house: 0.25, gone: 1 }, absent: { correct: 'timeout' } }),
    explained,
  );
  expect(
    rows.map(({ name, recorded, recomputed, differs, absent }) => [name, recorded, recomputed, differs, absent]),
  ).toEqual([
    ['exact_match', 0.5, 1, true, ''],
    ['house', 0.25, undefined, false, ''],
    ['correct', undefined, undefined, false, 'timeout'],
    ['gone', 1, undefined, false, ''],
  ]);
});

test('detectors that fired are told, then or now', () => {
  const rows = detectorRows(score({ detectors: { giant_answer: 0.25, retired: 1 } }), explained);
  expect(rows.map(({ name, recorded, recomputed, differs }) => [name, recorded, recomputed, differs])).toEqual([
    ['giant_answer', 0.25, 0, true],
    ['candidate_list', 0, 0.5, true],
    ['retired', 1, undefined, false],
  ]);
});

const item = create(ScoreItemSchema, {
  answers: ['Paris'],
  rewards: [
    { name: 'exact_match', weight: 1 },
    { name: 'house', weight: 0.5 },
  ],
  composition: {
    penalties: [{ name: 'giant_answer', size: 2 }],
    gates: [{ name: 'candidate_list', atMost: 0, otherwise: -1 }],
  },
});

test('P2: the composition is computed from what was recorded, and is NaN where that is absent', () => {
  const components = { exact_match: 1, house: 0.5 };
  expect(recordedSteps(item, score({ components })).total).toBe(1.25);
  expect(recordedSteps(item, score({ components, detectors: { giant_answer: 0.25 } })).total).toBe(0.75);
  expect(recordedSteps(item, score({ components: { exact_match: 1 } })).total).toBeNaN();
});

test('differences are said in words, and so is a reward that its parts do not give', () => {
  const recorded = { item, score: score({ components: { exact_match: 0.5, house: 0.5 } }) };
  const result = create(RolloutResultSchema, { taskId: 'a', reward: 1, prediction: 'Paris' });
  const text = renderExplanation({ result, scored: { recorded, explained }, group: undefined }, pc.createColors(false));
  expect(text).toContain(
    'exact_match, candidate_list: scored again it is another number, so another version of the scorer gave the reward',
  );
  expect(text).toContain('the composition of what was recorded is 0.75, not the recorded reward');
  expect(text).toContain('house 0.5\n  a scorer of the config');
});
