import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { FactInit } from '../../services/run/ledger/read-ledger.ts';
import { formatRecovery, quantile, recoveryRows } from './recovery-table.ts';
import type { FaultRecord } from './recovery-table.ts';
import { progressTimes, recoveryFromStreams } from './stored-recovery.ts';

const fault = (over: Partial<FaultRecord>): FaultRecord => ({
  number: 1,
  label: 'rollout-1',
  service: 'rollout',
  action: 'kill',
  atMs: 1_000,
  fromMs: over.atMs ?? 1_000,
  phase: 'rollouts',
  recoveredMs: 1,
  notes: [],
  ...over,
});
const fact = (atMs: number, init: FactInit) => ({ atMs, value: create(LedgerEntrySchema, { fact: init }) });
const opened = (atMs: number, ...taskIds: string[]) => fact(atMs, { case: 'groupOpened', value: { taskIds } });
const answered = (atMs: number, taskId: string, durationMs: number) => ({
  atMs,
  value: create(RolloutResultSchema, { taskId, durationMs }),
});

test('quantiles are values that were measured', () => {
  expect([0.5, 0.95].map((share) => quantile([4, 1, 3, 2], share))).toEqual([2, 4]);
  expect(quantile([], 0.5)).toBeUndefined();
});

test('a worker has recovered when the last rollout it held runs again, not when one that went on elsewhere ends', () => {
  const run = {
    entries: [opened(100, 'held', 'held-too', 'elsewhere', 'done'), opened(1_500, 'later')],
    results: [
      answered(900, 'done', 500),
      answered(1_800, 'elsewhere', 1_000),
      answered(3_400, 'held', 400),
      answered(5_000, 'held-too', 1_000),
      answered(9_000, 'later', 100),
    ],
  };
  expect(recoveryFromStreams([fault({})], run)[0]?.heldAgainMs).toBe(3_000);
  expect(recoveryFromStreams([fault({ atMs: 9_500 })], run)[0]?.heldAgainMs).toBeUndefined();
});

test('a coordinator has recovered with the next fact, and one that did not lead is recognised', () => {
  const entries = [
    fact(1_010, { case: 'groupOpened', value: {} }),
    fact(4_000, { case: 'runResumed', value: {} }),
    fact(6_000, { case: 'stepFormed', value: {} }),
  ];
  const of = (atMs: number) =>
    recoveryFromStreams([fault({ service: 'coordinator', atMs })], { entries, results: [] })[0];
  // What was stored 10 ms after the kill was on its way before it.
  expect(of(1_000)).toMatchObject({ service: 'coordinator', recoveredMs: 3_000 });
  expect(of(5_000)).toMatchObject({ service: 'coordinator, standby', recoveredMs: 1_000 });
});

test('a run that was resumed by hand has recovered when a coordinator says so, whatever orphans still stored', () => {
  const entries = [
    fact(1_000, { case: 'groupOpened', value: {} }),
    fact(3_100, { case: 'groupClosed', value: {} }),
    fact(9_000, { case: 'runResumed', value: {} }),
  ];
  const killed = fault({ service: 'supervisor', fromMs: 3_000, excusedUntilMs: 3_000 });
  expect(recoveryFromStreams([killed], { entries, results: [] })[0]?.recoveredMs).toBe(6_000);
});

test('P10: progress is a fact or the first result of a rollout, not a result that came again', () => {
  const entries = [fact(100, { case: 'groupOpened', value: {} })];
  const results = [answered(300, 'a', 1), answered(400, 'a', 1), answered(500, 'b', 1)];
  expect(progressTimes({ entries, results })).toEqual([100, 300, 500]);
});

test('the table has a row for each action on each service, with the longest time without progress around it', () => {
  const rows = recoveryRows(
    [
      fault({ recoveredMs: 1_000, heldAgainMs: 2_000 }),
      fault({ number: 2, recoveredMs: 3_000 }),
      fault({ number: 3, action: 'freeze', recoveredMs: 10 }),
      fault({ number: 4, service: 'nats', atMs: 8_000, recoveredMs: undefined }),
    ],
    [
      { fromMs: 1_500, toMs: 10_500, stallMs: 9_000, faults: [2, 4] },
      { fromMs: 0, toMs: 4_000, stallMs: 4_000, faults: [1] },
    ],
  );
  expect(rows.map(({ action, service }) => `${action} ${service}`)).toEqual([
    'freeze rollout',
    'kill nats',
    'kill rollout',
  ]);
  expect(rows[2]).toMatchObject({ count: 2, medianMs: 1_000, worstMs: 3_000, heldMedianMs: 2_000, stalledMs: 9_000 });
  // It came late in that stall.
  expect(rows[1]).toMatchObject({ count: 1, medianMs: undefined, stalledMs: 2_500 });
  expect(formatRecovery(rows)).toMatch(/kill .* rollout .* 2 .* 1\.00 s .* 3\.00 s .* 2\.00 s .* 9\.00 s/);
});
