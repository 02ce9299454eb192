import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import { RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { FactInit } from '../../services/coordinator/ledger/ledger-stream.ts';
import { formatRecovery, quantile, recoveryRows } from './recovery-table.ts';
import type { FaultRecord } from './recovery-table.ts';
import { recoveryFromStreams } from './stored-recovery.ts';

const fault = (over: Partial<FaultRecord>): FaultRecord => ({
  number: 1,
  label: 'rollout-1',
  service: 'rollout',
  action: 'kill',
  freezeMs: 0,
  atMs: 1_000,
  phase: 'rollouts',
  recoveredMs: 1,
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

test('a coordinator has recovered with the next fact, and one that did not lead is told apart', () => {
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

test('the table has a row per service, with kills and freezes apart', () => {
  const rows = recoveryRows([
    fault({ recoveredMs: 1_000, heldAgainMs: 2_000 }),
    fault({ recoveredMs: 3_000 }),
    fault({ action: 'freeze', recoveredMs: 10 }),
    fault({ service: 'nats', recoveredMs: undefined }),
  ]);
  expect(rows.map(({ service }) => service)).toEqual(['nats', 'rollout']);
  expect(rows[1]).toMatchObject({ kills: 2, killMedianMs: 1_000, killP95Ms: 3_000, heldMedianMs: 2_000, freezes: 1 });
  expect(formatRecovery(rows)).toMatch(/rollout .* 2 .* 1\.00 s .* 3\.00 s .* 2\.00 s/);
});
