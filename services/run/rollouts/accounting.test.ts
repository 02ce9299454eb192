import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GroupFate, LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { FailureClass, RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { createAccount } from './accounting.ts';
import type { FactInit } from '../ledger/read-ledger.ts';

const entry = (fact: FactInit) => create(LedgerEntrySchema, { runId: 'r', fact });
const opened = (groupId: string, taskIds: string[]) => entry({ case: 'groupOpened', value: { groupId, taskIds } });
const closed = (groupId: string, taskIds: string[], fate: GroupFate = GroupFate.KEPT) =>
  entry({ case: 'groupClosed', value: { groupId, fate, samples: taskIds.map((taskId) => ({ taskId, reward: 1 })) } });
const step = (number: number, taskIds: string[]) =>
  entry({
    case: 'stepFormed',
    value: { step: BigInt(number), samples: taskIds.map((taskId) => ({ taskId, reward: 1 })) },
  });
const done = (taskId: string, failure: FailureClass = FailureClass.UNSPECIFIED) =>
  create(RolloutResultSchema, { taskId, components: { exact_match: 1 }, failure });
const failed = (taskId: string) => create(RolloutResultSchema, { taskId, failure: FailureClass.POLICY_UNAVAILABLE });

describe('the account of a run', () => {
  it('P1: puts every published rollout into exactly one place', () => {
    const account = createAccount();
    account.entry(opened('a', ['a0', 'a1', 'a2', 'a3']));
    account.entry(opened('b', ['b0', 'b1']));
    for (const result of [done('a0'), done('a1', FailureClass.MALFORMED_TURN), failed('a2'), failed('b0'), done('b0')])
      account.result(result);
    account.entry(closed('a', ['a0', 'a1']));
    expect(account.totals()).toEqual({
      published: 6,
      completed: 3,
      failedData: 1,
      failedInfra: 1,
      failedUserCode: 0,
      cancelled: 0,
      open: 1,
      lost: 1,
      duplicated: 0,
      redundant: 0,
      refused: 0,
    });
  });

  it('P1: knows a rollout that was given up on purpose from one that was lost, and takes one that came in all the same as completed', () => {
    const account = createAccount();
    account.entry(opened('a', ['a0', 'a1', 'a2', 'a3', 'a4']));
    for (const result of [done('a0'), failed('a1'), done('a2')]) account.result(result);
    const samples = ['a0', 'a1', 'a2', 'a3', 'a4'].map((taskId) => ({
      taskId,
      cancelled: taskId !== 'a0' && taskId !== 'a4',
    }));
    account.entry(entry({ case: 'groupClosed', value: { groupId: 'a', fate: GroupFate.DROPPED, samples } }));
    expect(account.totals()).toMatchObject({
      published: 5,
      completed: 2,
      cancelled: 2,
      failedInfra: 0,
      open: 0,
      lost: 1,
    });
  });

  it("P1: counts a rollout that a user's own code failed by its own name, unless another attempt completed it", () => {
    const account = createAccount();
    account.entry(opened('a', ['a0', 'a1', 'a2']));
    const results = [
      done('a0', FailureClass.USER_ENVIRONMENT),
      failed('a1'),
      done('a1', FailureClass.USER_SCORER),
      done('a2', FailureClass.USER_ENVIRONMENT),
      done('a2'),
    ];
    for (const result of results) account.result(result);
    expect(account.totals()).toMatchObject({ published: 3, completed: 1, failedInfra: 0, failedUserCode: 2, open: 0 });
  });

  it('sees a rollout that was counted twice, in two steps or within one', () => {
    const account = createAccount();
    account.entry(opened('a', ['a0', 'a1', 'a2']));
    account.entry(step(1, ['a0', 'a1']));
    account.entry(step(1, ['a0', 'a1']));
    expect(account.totals().duplicated).toBe(0);
    account.entry(step(2, ['a0', 'a2', 'a2']));
    expect(account.totals().duplicated).toBe(2);
  });

  it('does not mistake further results for counts, whatever the order', () => {
    const items = ['a0', 'a0', 'a1', 'a1', 'a1'];
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6], { minLength: 7 }), (order) => {
        const account = createAccount();
        for (const index of order) {
          if (index < 5) account.result(done(items[index] ?? ''));
          else if (index === 5) account.entry(opened('a', ['a0', 'a1']));
          else account.entry(closed('a', ['a0', 'a1'], GroupFate.EVALUATED));
        }
        // The ledger has a group opened before it is closed; only results come in any order.
        if (order.indexOf(5) < order.indexOf(6))
          expect(account.totals()).toMatchObject({ published: 2, completed: 2, lost: 0, duplicated: 0, redundant: 3 });
      }),
    );
  });

  it('P1: takes neither a refused result nor a further one as the ending of a rollout', () => {
    const account = createAccount();
    account.entry(opened('a', ['a0', 'a1']));
    account.entry(entry({ case: 'resultRefused', value: { taskId: 'a0', attempt: 0, reason: 'r' } }));
    const again = create(RolloutResultSchema, { taskId: 'a0', attempt: 1 });
    expect([done('a0'), again, again, failed('a1')].map((result) => account.result(result))).toEqual([
      false,
      true,
      false,
      true,
    ]);
    expect(account.totals()).toMatchObject({ completed: 1, failedInfra: 1, redundant: 1, refused: 1 });
  });

  it('ignores results of tasks that it does not know', () => {
    const account = createAccount();
    account.result(done('stranger'));
    expect(account.totals().published).toBe(0);
  });
});
