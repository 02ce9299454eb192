import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { ExplainResponseSchema, ScoreItemSchema, ScoreSchema } from '#proto/reward/v1/reward_pb.ts';
import { GroupFate, GroupOpenedSchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { CompositionSchema } from '#proto/rollout/v1/composition_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { componentRows, detectorRows } from './component-rows.ts';
import type { GroupStory } from '#run/group-story.ts';
import { composeRecorded } from '#run/rollouts/recorded-reward.ts';
import { createColours } from '../terminal/colours.ts';
import { renderExplanation } from './render-explanation.ts';
import { goldRow } from '../../../tests/fixtures/gold-item.ts';

const explained = create(ExplainResponseSchema, {
  components: [
    { name: 'exact_match', value: 1, reasons: ['equal'] },
    { name: 'house', reasons: ['a scorer of the config'] },
    { name: 'correct', reasons: ['judge main'] },
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
    composition,
    { preferred: 0.75 },
  );
  expect(rows.map(({ name, weight }) => [name, weight])).toContainEqual(['house', 0.5]);
  expect(
    rows.map(({ name, recorded, recomputed, differs, absent }) => [name, recorded, recomputed, differs, absent]),
  ).toEqual([
    ['exact_match', 0.5, 1, true, ''],
    ['house', 0.25, undefined, false, ''],
    ['correct', undefined, undefined, false, 'timeout'],
    ['gone', 1, undefined, false, ''],
    ['preferred', 0.75, undefined, false, ''],
  ]);
});

test('detectors that fired are reported, then or now', () => {
  const rows = detectorRows(score({ detectors: { giant_answer: 0.25, retired: 1 } }), explained);
  expect(rows.map(({ name, recorded, recomputed, differs }) => [name, recorded, recomputed, differs])).toEqual([
    ['giant_answer', 0.25, 0, true],
    ['candidate_list', 0, 0.5, true],
    ['retired', 1, undefined, false],
  ]);
});

const composition = create(CompositionSchema, {
  weights: [
    { name: 'exact_match', weight: 1 },
    { name: 'house', weight: 0.5 },
    { name: 'preferred', weight: 2 },
  ],
  penalties: [{ name: 'giant_answer', size: 2 }],
  gates: [{ name: 'candidate_list', atMost: 0, otherwise: -1 }],
  groupwise: ['preferred'],
});
const resultOf = (fields: MessageInitShape<typeof RolloutResultSchema>) =>
  create(RolloutResultSchema, { taskId: 'a', prediction: 'Paris', purpose: Purpose.TRAIN, ...fields });

test('P2: the composition is computed from what was recorded, and gives nothing where that is absent', () => {
  const components = { exact_match: 1, house: 0.5 };
  const total = (fields: MessageInitShape<typeof RolloutResultSchema>, groupwise = {}) =>
    composeRecorded(composition, resultOf(fields), groupwise).total;
  expect(total({ components }, { preferred: 1 })).toBe(3.25);
  expect(total({ components, detectors: { giant_answer: 0.25 } }, { preferred: 1 })).toBe(2.75);
  expect(total({ components: { exact_match: 1 } }, { preferred: 1 })).toBeUndefined();
  // Its group is not compared yet; an evaluation compares nothing.
  expect(total({ components })).toBeUndefined();
  expect(total({ components, purpose: Purpose.EVAL })).toBe(1.25);
});

test('differences are said in words, and so is a reward that its parts do not give', () => {
  const components = { exact_match: 0.5, house: 0.5 };
  const item = create(ScoreItemSchema, { row: goldRow({ answers: ['Paris'] }) });
  const rendered = (reward: number): string => {
    const group: GroupStory = {
      opened: create(GroupOpenedSchema, { groupId: 'g', stage: 'one', purpose: Purpose.TRAIN }),
      closed: {
        fate: GroupFate.KEPT,
        members: [],
        mean: reward,
        deviation: 0,
        method: 'grpo',
        judged: {},
        own: { components: { preferred: 0.25 }, reward, counted: true },
        step: undefined,
        version: undefined,
      },
    };
    const scored = { recorded: { item, score: score({ components }) }, explained, composition };
    return renderExplanation({ result: resultOf({ components }), scored, group }, createColours(false)).join('\n');
  };
  expect(rendered(1.25)).toContain('reward: 1.25');
  expect(rendered(1.25)).not.toContain('not the recorded reward');
  expect(rendered(1)).toContain('the composition of what was recorded is 1.25, not the recorded reward');
  expect(rendered(1)).toContain(
    'exact_match, candidate_list: scored again it is another number, so another version of the scorer gave the reward',
  );
  expect(rendered(1)).toContain('house 0.5\n  a scorer of the config');
  expect(rendered(1)).toContain('preferred 0.25\n  from the comparison of its group');
});
