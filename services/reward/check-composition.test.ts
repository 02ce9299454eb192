import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { ScoreItemSchema } from '#proto/reward/v1/reward_pb.ts';
import { checkComposition } from './check-composition.ts';

type Composition = NonNullable<MessageInitShape<typeof ScoreItemSchema>['composition']>;

const check = (composition: Composition, weights: readonly number[] = [1, 0.5]): void =>
  checkComposition(
    create(ScoreItemSchema, {
      id: 'task-1',
      rewards: [{ name: 'gold_found', weight: weights[0] ?? 0 }],
      judged: [{ name: 'prose', judge: 'main', weight: weights[1] ?? 0 }],
      composition,
    }),
    3,
  );
const gate = (fields: object) => ({ gates: [{ name: 'format', atLeast: 1, otherwise: 0, ...fields }] });
const penalty = (fields: object) => ({ penalties: [{ name: 'candidate_list', size: 0.5, ...fields }] });

test('names of core scorers, of the item and of detectors are known', () => {
  check({
    normalize: true,
    penalties: [
      { name: 'candidate_list', size: 0.5 },
      { name: 'xml', size: 1e6 },
    ],
    gates: [
      { name: 'gold_found', atLeast: 0.5, otherwise: -1e6 },
      { name: 'prose', atMost: 1, otherwise: 0 },
      { name: 'prose', atLeast: 0.5, atMost: 0.5, otherwise: 0 },
    ],
    clipLow: 0,
    clipHigh: 0,
  });
  check({});
  check({ clipHigh: -3 });
});

test.each<[Composition, string]>([
  [{ normalize: true }, 'normalize: the weights add up to 0; give one at least that is positive'],
  [
    penalty({ name: 'candidate_lists' }),
    'penalties[0].name: "candidate_lists" is no component of the item and no detector; did you mean candidate_list?',
  ],
  [
    penalty({ name: 'numeric' }),
    'penalties[0].name: "numeric" is no component of the item and no detector; known here: exact_match, f1, ',
  ],
  [
    { penalties: [...penalty({}).penalties, ...penalty({}).penalties] },
    'penalties[1].name: candidate_list is listed twice; add the sizes up',
  ],
  [penalty({ size: 0 }), 'penalties[0].size: 0 for candidate_list; expected a number > 0 and at most 1000000'],
  [penalty({ size: -1 }), 'penalties[0].size: -1'],
  [penalty({ size: NaN }), 'penalties[0].size: NaN'],
  [penalty({ size: Infinity }), 'penalties[0].size: Infinity'],
  [
    { penalties: Array.from({ length: 17 }, () => penalty({}).penalties[0] ?? {}) },
    'penalties: found 17; give at most 16',
  ],
  [{ gates: Array.from({ length: 17 }, () => gate({}).gates[0] ?? {}) }, 'gates: found 17; give at most 16'],
  [gate({ name: '' }), 'gates[0].name: "" is no component'],
  [gate({ atLeast: undefined }), 'gates[0]: no bound for format; give at_least, at_most or both'],
  [gate({ atLeast: NaN }), 'gates[0].at_least: NaN; expected a number within -1000000 .. 1000000'],
  [gate({ atMost: -Infinity }), 'gates[0].at_most: -Infinity; expected'],
  [gate({ atMost: 0.5 }), 'gates[0].at_least: 1 is more than at_most 0.5; swap them'],
  [gate({ otherwise: NaN }), 'gates[0].otherwise: NaN; expected'],
  [{ clipLow: NaN }, 'clip_low: NaN; expected'],
  [{ clipHigh: 1e7 }, 'clip_high: 10000000; expected'],
  [{ clipLow: 1, clipHigh: 0 }, 'clip_low: 1 is more than clip_high 0; swap them'],
])('%j is refused, naming item, field, value and fix', (composition, message) => {
  expect(() => check(composition, [0, 0])).toThrow(`items[3] (id "task-1"): composition.${message}`);
});

test('weights whose sum overflows cannot be normalised', () => {
  expect(() => check({ normalize: true }, [1e308, 1e308])).toThrow('normalize: the weights add up to Infinity');
});
