import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import type { GroupClosed, GroupOpened, LedgerEntry, SampleOutcome } from '#proto/coordinator/v1/ledger_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { createAccount } from '../../services/run/rollouts/accounting.ts';
import type { RolloutTotals } from '../../services/run/rollouts/accounting.ts';

export interface AuditInput {
  readonly entries: readonly LedgerEntry[];
  readonly results: readonly RolloutResult[];
  /** Tasks that are still in the queue. */
  readonly tasksLeft: number;
  /** Policy versions that a sample may be behind: of every stage, or by stage. */
  readonly maxStaleness: number | ReadonlyMap<string, number>;
  /** Weights by stage: every reward is the weighted sum of the components. */
  readonly weights: ReadonlyMap<string, Readonly<Record<string, number>>>;
  /** Components that the comparison of a group gives; evaluations have none. */
  readonly groupwise?: ReadonlySet<string>;
}

export interface Audit {
  readonly totals: RolloutTotals;
  readonly groups: number;
  readonly steps: number;
  /** What is wrong, in words; empty when every promise was kept. */
  readonly findings: readonly string[];
}

/** Findings of one kind that are listed; the rest is counted. */
const listed = 5;

/** Audits a finished run from its ledger and its results alone, whatever its coordinator counted. Pure. */
export function auditRun(input: AuditInput): Audit {
  const findings: string[] = [];
  const note = (kind: string, all: readonly string[]): void => {
    for (const each of all.slice(0, listed)) findings.push(`${kind}: ${each}`);
    if (all.length > listed) findings.push(`${kind}: and ${all.length - listed} more`);
  };
  const facts = input.entries.map(({ fact }) => fact);
  const account = createAccount();
  for (const entry of input.entries) account.entry(entry);
  for (const result of input.results) account.result(result);
  const totals = account.totals();
  if (totals.lost > 0) findings.push(`lost: ${totals.lost} rollouts have no result although their group was closed`);
  if (totals.open > 0) findings.push(`open: ${totals.open} rollouts belong to groups that were never closed`);
  if (totals.duplicated > 0) findings.push(`counted twice: ${totals.duplicated} rollouts`);

  const end = facts.findLast((fact) => fact.case === 'runEnded');
  if (end?.case !== 'runEnded' || end.value.state !== 'finished')
    findings.push(`end: the run is not finished but ${end?.case === 'runEnded' ? end.value.state : 'without an end'}`);
  if (input.tasksLeft > 0) findings.push(`queue: ${input.tasksLeft} tasks are left in it`);

  const opened = facts.flatMap((fact) => (fact.case === 'groupOpened' ? [fact.value] : []));
  const closed = facts.flatMap((fact) => (fact.case === 'groupClosed' ? [fact.value] : []));
  note('group', groupFindings(opened, closed));
  note('reward', rewardFindings(opened, closed, input));
  note('step', stepFindings(input.entries, closed));
  note('staleness', stalenessFindings(input));
  return { totals, groups: opened.length, steps: facts.filter((fact) => fact.case === 'stepFormed').length, findings };
}

/** Each group is opened once and closed once, with exactly its own samples. */
function groupFindings(opened: readonly GroupOpened[], closed: readonly GroupClosed[]): string[] {
  const found: string[] = [];
  const closes = Map.groupBy(closed, ({ groupId }) => groupId);
  for (const [groupId, all] of Map.groupBy(opened, (group) => group.groupId)) {
    const [group] = all;
    const own = closes.get(groupId) ?? [];
    if (all.length > 1) found.push(`${groupId} was opened ${all.length} times`);
    if (own.length !== 1) found.push(`${groupId} was closed ${own.length} times`);
    const samples = own[0]?.samples.map(({ taskId }) => taskId) ?? [];
    if (own.length > 0 && samples.toSorted().join() !== group?.taskIds.toSorted().join())
      found.push(`${groupId} was closed with other samples than it was opened with`);
    closes.delete(groupId);
  }
  for (const groupId of closes.keys()) found.push(`${groupId} was closed and never opened`);
  return found;
}

/** A reward in the ledger is what the weights make of a result of the task and the group's comparison; none is made up (P2). */
function rewardFindings(
  opened: readonly GroupOpened[],
  closed: readonly GroupClosed[],
  { results, weights, groupwise = new Set() }: AuditInput,
): string[] {
  const known = Map.groupBy(
    results.filter(({ components }) => Object.keys(components).length > 0),
    ({ taskId }) => taskId,
  );
  const groupOf = new Map(opened.map((group) => [group.groupId, group]));
  const found: string[] = [];
  for (const { groupId, samples } of closed) {
    const { stage = '', evaluation = '' } = groupOf.get(groupId) ?? {};
    const read = Object.entries(weights.get(stage) ?? {}).filter(([name]) => evaluation === '' || !groupwise.has(name));
    for (const sample of samples) {
      if (sample.reward === undefined) continue;
      const own = known.get(sample.taskId) ?? [];
      const rewards = own.map(({ components }) => weightedSum(read, { ...components, ...sample.components }));
      if (own.length === 0) found.push(`${sample.taskId} has ${sample.reward} in the ledger and no result`);
      else if (!rewards.some((reward) => Math.abs(reward - (sample.reward ?? NaN)) < 1e-9))
        found.push(`${sample.taskId} has ${sample.reward} in the ledger, ${rewards.join(' or ')} in its results`);
    }
  }
  return found;
}

function weightedSum(
  weights: readonly (readonly [string, number])[],
  components: Readonly<Record<string, number>>,
): number {
  return weights.reduce((sum, [name, weight]) => sum + weight * (components[name] ?? NaN), 0);
}

/** Steps are formed and committed once, one after the other, from samples of kept groups only, each in one batch. */
function stepFindings(entries: readonly LedgerEntry[], closed: readonly GroupClosed[]): string[] {
  const found: string[] = [];
  const kept = new Map<string, SampleOutcome>();
  for (const { fate, samples } of closed) {
    if (fate === GroupFate.KEPT || fate === GroupFate.SHRUNK)
      for (const sample of samples) kept.set(sample.taskId, sample);
  }
  const trained = new Map<string, number>();
  let formed = 0;
  let committed = 0;
  for (const { fact } of entries) {
    if (fact.case === 'stepFormed') {
      const step = Number(fact.value.step);
      if (step !== formed + 1) found.push(`step ${step} was formed after step ${formed}`);
      formed = step;
      for (const { taskId, advantage } of fact.value.samples) {
        const before = trained.get(taskId);
        if (before !== undefined) found.push(`${taskId} is in the batches of steps ${before} and ${step}`);
        trained.set(taskId, step);
        const source = kept.get(taskId);
        if (source === undefined) found.push(`${taskId} is in the batch of step ${step} but in no kept group`);
        else if (source.advantage !== advantage) found.push(`${taskId} changed its advantage on its way to the batch`);
      }
    }
    if (fact.case === 'stepCommitted') {
      const step = Number(fact.value.step);
      if (step !== committed + 1 || step > formed)
        found.push(`step ${step} was committed after step ${committed}, formed was ${formed}`);
      committed = step;
    }
  }
  if (formed !== committed) found.push(`${formed} steps were formed, ${committed} committed`);
  return found;
}

/** No sample in a batch is older than allowed (P5): step n is rolled out by version n - 1. */
function stalenessFindings({ entries, results, maxStaleness }: AuditInput): string[] {
  const found: string[] = [];
  const byTrajectory = new Map<string, RolloutResult>();
  for (const result of results) byTrajectory.set(`${result.taskId} ${result.trajectorySequence}`, result);
  for (const { fact } of entries) {
    if (fact.case !== 'stepFormed') continue;
    const version = Number(fact.value.step) - 1;
    const most = typeof maxStaleness === 'number' ? maxStaleness : (maxStaleness.get(fact.value.stage) ?? 0);
    for (const { taskId, trajectorySequence } of fact.value.samples) {
      const result = byTrajectory.get(`${taskId} ${trajectorySequence}`);
      if (result === undefined) {
        found.push(`${taskId} in the batch of step ${version + 1} has a trajectory that no result names`);
        continue;
      }
      const first = Number(result.versions?.first ?? 0n);
      if (version - first > most || first > version)
        found.push(`${taskId} of version ${first} is in the batch for version ${version}`);
    }
  }
  return found;
}
