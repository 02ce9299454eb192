import { expect, test } from 'vitest';
import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import { isCounted } from './is-counted.ts';

test('P2: a sample without a reward counts in an evaluation that has its trajectory, and nowhere else', () => {
  const evaluated = { fate: GroupFate.EVALUATED };
  const kept = { fate: GroupFate.KEPT };
  expect(isCounted(evaluated, { reward: 0, trajectorySequence: 7n })).toBe(true);
  expect(isCounted(evaluated, { trajectorySequence: 7n })).toBe(true);
  expect(isCounted(evaluated, { trajectorySequence: 0n })).toBe(false);
  expect(isCounted(kept, { reward: 0, trajectorySequence: 7n })).toBe(true);
  expect(isCounted(kept, { trajectorySequence: 7n })).toBe(false);
});
