import { expect, test } from 'vitest';
import { judgedNone } from './format-report.ts';

const rollouts = { asked: 4, n: 3, absent: 1 };
const without = (count: number) =>
  Array.from({ length: count }, () => ({ component: 'grade', reason: 'judge_unavailable' }));
const lost = { component: null, reason: 'TOOL_UNAVAILABLE' };

test('P9: a scorer that judged none of the answers is named, one that judged some is not', () => {
  expect(judgedNone({ stage: 'held-out', rollouts, absent: [...without(3), lost] })).toEqual([
    'held-out: grade judged none of the 3 answers; summary.json has the reasons',
  ]);
  expect(judgedNone({ stage: 'held-out', rollouts, absent: [...without(2), lost] })).toEqual([]);
  expect(judgedNone({ stage: 'held-out', rollouts, absent: [] })).toEqual([]);
});
