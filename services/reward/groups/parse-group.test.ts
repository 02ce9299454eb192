import { expect, test } from 'vitest';
import { Schedule } from '#proto/reward/v1/group_pb.ts';
import { type Request, allPairs, fleet, graded } from './group-under-test.ts';

/** A value of an enum that a newer caller knows. */
const newer = 9 as never;

test.each<[string, Request, RegExp]>([
  ['one sample', { ...allPairs, samples: graded(1) }, /samples: found 1; give 2 to 64/],
  ['65 samples', { ...allPairs, samples: graded(...Array.from({ length: 65 }, (_, i) => i)) }, /samples: found 65/],
  ['no ids', { ...allPairs, samples: [{ id: '' }, { id: 'b' }] }, /samples\[0\]\.id: empty/],
  ['an id twice', { ...allPairs, samples: [{ id: 'b' }, { id: 'b' }] }, /samples\[1\]\.id: "b" is there twice/],
  ['no method', { samples: graded(1, 2) }, /method: missing; give pairwise or listwise/],
  ['no question', { ...allPairs, question: '', samples: graded(1, 2) }, /question: empty/],
  ['no such judge', { ...allPairs, judge: 'x', samples: graded(1, 2) }, /judge: no judge is named "x"; known: main/],
  [
    'a deadline beyond the judge’s',
    { ...allPairs, deadlineMs: 1e9, samples: graded(1, 2) },
    /deadline_ms: 1000000000; judge 'main' allows 600000/,
  ],
  [
    'too many rounds',
    { method: { case: 'pairwise', value: { schedule: Schedule.SWISS, rounds: 2 } }, samples: graded(1, 2) },
    /pairwise\.rounds: 2 for 2 samples; at most 1/,
  ],
  [
    'a budget of nothing',
    { method: { case: 'pairwise', value: { schedule: Schedule.BUDGET } }, samples: graded(1, 2, 3) },
    /pairwise\.pairs: 0 for 3 samples; give 1 to 3/,
  ],
  [
    'too many passes',
    { method: { case: 'listwise', value: { passes: 17 } }, samples: graded(1, 2) },
    /passes: 17; at most 16/,
  ],
  [
    'no point-wise score',
    { ...allPairs, pointwiseFirst: {}, samples: graded(1, 2) },
    /samples\[0\]\.pointwise: missing/,
  ],
  [
    'an unknown comparison',
    { ...allPairs, compared: newer, samples: graded(1, 2) },
    /compared: unknown value 9; known: 0, 1, 2/,
  ],
  ['an unknown policy', { ...allPairs, partial: newer, samples: graded(1, 2) }, /partial: unknown value 9/],
  [
    'an unknown schedule',
    { method: { case: 'pairwise', value: { schedule: newer } }, samples: graded(1, 2) },
    /pairwise\.schedule: unknown value 9/,
  ],
  [
    'a tolerance below 0',
    { ...allPairs, pointwiseFirst: { tolerance: -1 }, samples: graded(1, 2) },
    /pointwise_first\.tolerance: -1/,
  ],
])('P2: a group with %s is an error that names group and field', async (_, request, message) => {
  const { ask } = await fleet();
  await expect(ask(request)).rejects.toMatchObject({ code: 'invalid_argument' });
  await expect(ask(request)).rejects.toThrow(message);
});
