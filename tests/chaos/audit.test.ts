import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { GroupFate, LedgerEntrySchema } from '#proto/coordinator/v1/ledger_pb.ts';
import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import { FailureClass, RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import type { FactInit } from '../../services/run/ledger/read-ledger.ts';
import { accountingRecords, firstDifference } from './accounting-records.ts';
import { auditRun } from './audit.ts';

const entry = (fact: FactInit, atMs = 0): LedgerEntry =>
  create(LedgerEntrySchema, { runId: 'r', atMs: BigInt(atMs), fact });
const sample = (taskId: string, reward: number, trajectory: number) => ({
  taskId,
  reward,
  advantage: reward - 0.5,
  trajectorySequence: BigInt(trajectory),
});
const result = (taskId: string, reward: number | undefined, trajectory: number, version = 0) =>
  create(RolloutResultSchema, {
    taskId,
    components: reward === undefined ? {} : { exact_match: reward },
    failure: reward === undefined ? FailureClass.POLICY_UNAVAILABLE : FailureClass.UNSPECIFIED,
    trajectorySequence: BigInt(trajectory),
    versions: { first: BigInt(version), last: BigInt(version) },
  });

const opened = (groupId: string, taskIds: string[]) =>
  entry({ case: 'groupOpened', value: { groupId, stage: 's', taskIds } });
const closed = (groupId: string, samples: ReturnType<typeof sample>[]) =>
  entry({ case: 'groupClosed', value: { groupId, fate: GroupFate.KEPT, samples } });
const formed = (step: number, samples: ReturnType<typeof sample>[]) =>
  entry({ case: 'stepFormed', value: { step: BigInt(step), stage: 's', stageStep: step - 1, samples } });
const committed = (step: number) =>
  entry({
    case: 'stepCommitted',
    value: { step: BigInt(step), version: BigInt(step), metrics: { 'time/train': Math.random(), loss: 1 } },
  });
const ended = entry({ case: 'runEnded', value: { state: 'finished' } });

const [a, b, c, d] = [sample('a', 1, 1), sample('b', 0, 2), sample('c', 1, 3), sample('d', 0, 4)];
const whole = [
  opened('g', ['a', 'b']),
  opened('h', ['c', 'd']),
  closed('g', [a, b]),
  closed('h', [c, d]),
  formed(1, [a, b, c, d]),
  committed(1),
  ended,
];
const results = [result('a', 1, 1), result('b', 0, 2), result('c', 1, 3), result('d', 0, 4)];
const without = (entries: readonly LedgerEntry[], ...left: LedgerEntry[]) =>
  entries.filter((each) => !left.includes(each));
const findingsOf = (entries: readonly LedgerEntry[], given = results, tasksLeft = 0) =>
  auditRun({
    entries,
    results: given,
    tasksLeft,
    maxStaleness: 0,
    weights: new Map([['s', { exact_match: 1 }]]),
  }).findings.join('\n');

test('P1: a whole run has no findings, also with results that came twice or failed first', () => {
  expect(findingsOf(whole)).toBe('');
  expect(findingsOf(whole, [...results, result('a', 1, 9), result('b', undefined, 0)])).toBe('');
});

test('P1: a rollout without a result is lost, one in two batches counts twice', () => {
  expect(findingsOf(whole, results.slice(1))).toContain('lost: 1');
  const twice = [...without(whole, ended), formed(2, [a]), committed(2), ended];
  expect(findingsOf(twice)).toMatch(/counted twice: 1[^]*a is in the batches of steps 1 and 2/);
});

test.each([
  ['a group that is never closed', without(whole, whole[3] ?? ended), /h was closed 0 times/],
  ['a group that is closed twice', [...whole, closed('g', [a, b])], /g was closed 2 times/],
  ['a group that is opened twice', [...whole, opened('g', ['a', 'b'])], /g was opened 2 times/],
  ['a close of a group that nobody opened', [...whole, closed('x', [])], /x was closed and never opened/],
  ['a close that lacks a sample', whole.map((e, i) => (i === 2 ? closed('g', [a]) : e)), /other samples/],
  ['a step that is committed twice', [...whole, committed(1)], /step 1 was committed after step 1/],
  ['a step that is formed twice', [...whole, formed(1, [])], /step 1 was formed after step 1/],
  ['a step that is never committed', without(whole, whole[5] ?? ended), /1 steps were formed, 0 committed/],
  ['a run without an end', without(whole, ended), /without an end/],
])('%s is found', (_title, entries, finding) => {
  expect(findingsOf(entries)).toMatch(finding);
});

test('P2: a reward that no result has is found', () => {
  const invented = whole.map((each, index) => (index === 2 ? closed('g', [a, sample('b', 0.25, 2)]) : each));
  expect(findingsOf(invented)).toMatch(/b has 0.25 in the ledger, 0 in its results/);
});

test('P5: a sample of another policy version is found, and so is a trajectory of another task', () => {
  expect(findingsOf(whole, [...results.slice(0, 3), result('d', 0, 4, 3)])).toMatch(/d of version 3 .* for version 0/);
  expect(findingsOf(whole, [...results.slice(0, 3), result('d', 0, 8)])).toMatch(
    /d .* trajectory that no result names/,
  );
});

test('tasks that are left in the queue are found', () => {
  expect(findingsOf(whole, results, 2)).toContain('2 tasks are left');
});

test('accountings are equal whatever the times and the order of closing were, and differ in any reward', () => {
  const [og, oh, cg, ch, ...rest] = whole.slice(0, 5);
  const shuffled = [og, oh, ch, cg, ...rest, entry({ case: 'runResumed', value: {} }), committed(1), ended].filter(
    (each) => each !== undefined,
  );
  expect(firstDifference(accountingRecords(whole), accountingRecords(shuffled))).toBeUndefined();
  const other = whole.map((each, index) => (index === 3 ? closed('h', [c, sample('d', 1, 4)]) : each));
  expect(firstDifference(accountingRecords(whole), accountingRecords(other))).toMatch(/^record 2 of 5 differs/);
  expect(firstDifference(accountingRecords(whole), accountingRecords(whole.slice(0, -1)))).toMatch(/nothing$/);
});

test('of an asynchronous stage the order of facts is not compared, but every group, reward and batch is', () => {
  const entered = entry({ case: 'stageEntered', value: { stage: 's' } });
  const [og, oh, cg, ch, f, c1, end] = whole;
  const one = [entered, og, oh, cg, ch, f, c1, end].filter((each) => each !== undefined);
  const other = [entered, oh, og, cg, ch, f, c1, end].filter((each) => each !== undefined);
  const leeway = { asynchronous: new Set(['s']) };
  expect(firstDifference(accountingRecords(one), accountingRecords(other))).toMatch(/^record 2/);
  expect(firstDifference(accountingRecords(one, leeway), accountingRecords(other, leeway))).toBeUndefined();
  const changed = other.map((each) => (each === f ? formed(1, [a, b]) : each));
  expect(firstDifference(accountingRecords(one, leeway), accountingRecords(changed, leeway))).toMatch(/differs/);
});

test('P2: where samples are compared, a reward is what the weights make of its components', () => {
  const weights = new Map([['s', { preferred: 1, house: 0.5 }]]);
  const reward = (value: number) => ({ ...sample('a', value, 1), components: { preferred: 0.75 } });
  const given = [create(RolloutResultSchema, { ...result('a', 0.5, 1), components: { house: 0.5 } })];
  const findings = (value: number) =>
    auditRun({
      entries: [
        opened('g', ['a']),
        entry({ case: 'groupClosed', value: { groupId: 'g', samples: [reward(value)] } }),
        ended,
      ],
      results: given,
      tasksLeft: 0,
      maxStaleness: new Map([['s', 2]]),
      weights,
      groupwise: new Set(['preferred']),
    }).findings.join();
  expect(findings(1)).toBe('');
  expect(findings(0.75)).toContain('a has 0.75 in the ledger, 1 in its results');
});
