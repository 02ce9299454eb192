import type { GroupClosed } from '#proto/coordinator/v1/ledger_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { isFreshEnough } from './capacity.ts';
import type { Group, GroupPlan, Sample } from './group.ts';
import { isInfrastructure, isUserCode } from '#run/rollouts/failure-classes.ts';
import { isCounted } from '#run/rollouts/is-counted.ts';

export interface CollectorPolicy {
  readonly onDeadline: 'retry' | 'shrink' | 'drop';
  readonly attempts: number;
  readonly groupMs: number;
  /** Version that is trained with the samples, and how far behind it one may have begun (P5). */
  readonly version: number;
  readonly maxStaleness: number;
  /** Wait before the second attempt; doubles with each further one, up to 30 s. */
  readonly retryAfterMs: number;
  /** When the last eighth of a group takes this many times its median, it is asked for again elsewhere; undefined is never. */
  readonly stragglerAfter?: number | undefined;
}

/** What the ledger says of a group that is closed. */
export type ClosedGroup = Pick<GroupClosed, 'fate' | 'samples'>;

/** What became of a result. */
export type Reception = 'counted' | 'redundant' | 'unknown' | 'stale' | 'failed' | 'refused';

export interface GroupCollector {
  readonly groups: readonly Group[];
  add(plan: GroupPlan, nowMs: number): Group;
  /** Takes a result; each task counts once, whatever is delivered twice or late (P1). */
  accept(result: RolloutResult, nowMs: number): Reception;
  /** The sample of a task whose result would count now, and its group. */
  missing(taskId: string): { readonly group: Group; readonly sample: Sample } | undefined;
  /** The counted result of a sample turned out to be none: it is asked for again, and its group waits for it. */
  takeBack(group: Group, sample: Sample, nowMs: number): void;
  /** Samples whose time to be asked (again) has come; they are `open` from now on. */
  takeDue(nowMs: number): { readonly group: Group; readonly sample: Sample }[];
  /** The current attempt was asked before and can bring no result: asks for the next one, at no cost to the budget. */
  skipAttempt(sample: Sample, nowMs: number): void;
  /** Settles groups that are whole, and applies the policy to those that are past their deadline. */
  takeSettled(nowMs: number): Group[];
  /** The ledger has decided: what it counted counts, and what it calls absent is absent, now and after a resume. */
  close(group: Group, closed: ClosedGroup, nowMs: number): void;
  /** Gives up whatever is missing, on purpose. */
  giveUp(): void;
  /** Samples whose tasks nobody waits for any more, once each. */
  takeAbandoned(): Sample[];
  /** Samples that are published and unanswered. */
  openSamples(): number;
  /** When `takeDue` or `takeSettled` has something at the latest; Infinity when only a result can help. */
  nextDeadlineMs(): number;
}

/** The groups of one step or evaluation. No I/O; time is given. */
export function createGroupCollector(policy: CollectorPolicy): GroupCollector {
  const groups: Group[] = [];
  const live = new Set<Group>();
  const byTask = new Map<string, { group: Group; sample: Sample }>();
  let abandoned: Sample[] = [];

  function askAgain(sample: Sample, nowMs: number): void {
    const failures = sample.attempt - sample.firstAttempt;
    if (failures + 1 >= policy.attempts) {
      sample.state = 'absent';
      return;
    }
    sample.askAtMs = nowMs + Math.min(30_000, policy.retryAfterMs * 2 ** failures);
    sample.attempt += 1;
    sample.state = 'waiting';
  }

  function cancel(sample: Sample): void {
    if (!isMissing(sample)) return;
    sample.state = 'absent';
    sample.cancelled = true;
    abandoned.push(sample);
  }

  function applyDeadline(group: Group, nowMs: number): void {
    for (const sample of group.samples.filter(isMissing)) {
      if (policy.onDeadline !== 'retry') cancel(sample);
      else {
        askAgain(sample, nowMs);
        if (sample.state === 'absent') abandoned.push(sample);
      }
    }
    group.deadlineAtMs = nowMs + policy.groupMs;
  }

  /** When the missing samples of a group are late enough to be asked for a second time. */
  function hurryAtMs(group: Group): number {
    if (policy.stragglerAfter === undefined || group.hurried) return Infinity;
    const times = group.samples.flatMap((sample) => (sample.state === 'done' ? [sample.answeredMs] : []));
    const missing = group.samples.length - times.length;
    if (missing > Math.max(1, Math.floor(group.samples.length / 8)) || times.length === 0) return Infinity;
    const median = times.toSorted((a, b) => a - b)[Math.floor((times.length - 1) / 2)] ?? 0;
    return group.openedAtMs + policy.stragglerAfter * (median - group.openedAtMs);
  }

  function hurry(group: Group, nowMs: number): void {
    if (hurryAtMs(group) > nowMs) return;
    group.hurried = true;
    for (const sample of group.samples) {
      if (sample.state !== 'open' || sample.attempt - sample.firstAttempt + 1 >= policy.attempts) continue;
      sample.attempt += 1;
      sample.state = 'waiting';
      sample.askAtMs = nowMs;
    }
  }

  return {
    groups,
    add(plan, nowMs) {
      const group: Group = {
        plan,
        samples: plan.taskIds.map((taskId, index) => ({
          taskId,
          index,
          state: 'open',
          attempt: 0,
          firstAttempt: 0,
          askAtMs: nowMs,
          publishedMs: undefined,
          answeredMs: nowMs,
          sequence: undefined,
          cancelled: false,
          result: undefined,
        })),
        openedAtMs: nowMs,
        deadlineAtMs: nowMs + policy.groupMs,
        settledAtMs: undefined,
        scoringSeconds: undefined,
        fate: undefined,
        hurried: false,
      };
      groups.push(group);
      live.add(group);
      for (const sample of group.samples) byTask.set(sample.taskId, { group, sample });
      return group;
    },
    accept(result, nowMs) {
      const known = byTask.get(result.taskId);
      if (known === undefined) return 'unknown';
      const { group, sample } = known;
      if (sample.state === 'done' || (sample.state === 'absent' && group.settledAtMs !== undefined)) return 'redundant';
      if (isUserCode(result.failure)) {
        if (result.attempt < sample.attempt || sample.state === 'absent') return 'redundant';
        // A run that goes on after the fix asks again; what threw was no try of the sample's.
        sample.attempt = result.attempt + 1;
        sample.firstAttempt = sample.attempt;
        sample.lastFailure = result;
        sample.askAtMs = nowMs;
        sample.state = 'waiting';
        return 'failed';
      }
      if (isInfrastructure(result.failure)) {
        if (result.attempt < sample.attempt || sample.state === 'absent') return 'redundant';
        sample.attempt = result.attempt;
        sample.lastFailure = result;
        askAgain(sample, nowMs);
        return 'failed';
      }
      if (!isFreshEnough(Number(result.versions?.first ?? 0n), policy.version, policy.maxStaleness)) {
        if (result.attempt < sample.attempt || sample.state === 'absent') return 'redundant';
        sample.attempt = result.attempt;
        askAgain(sample, nowMs);
        return 'stale';
      }
      // Its other attempt, if there is one, is of no use any more.
      if (group.hurried && sample.attempt > sample.firstAttempt) abandoned.push(sample);
      sample.state = 'done';
      sample.cancelled = false;
      sample.answeredMs = nowMs;
      sample.result = result;
      return 'counted';
    },
    missing(taskId) {
      const known = byTask.get(taskId);
      if (known === undefined || known.group.settledAtMs !== undefined) return undefined;
      return known.sample.state === 'done' ? undefined : known;
    },
    takeBack(group, sample, nowMs) {
      sample.result = undefined;
      sample.state = 'open';
      askAgain(sample, nowMs);
      if (!group.samples.some(isMissing)) return;
      group.settledAtMs = undefined;
      group.deadlineAtMs = nowMs + policy.groupMs;
      live.add(group);
    },
    takeDue(nowMs) {
      const due: { group: Group; sample: Sample }[] = [];
      for (const group of live) {
        hurry(group, nowMs);
        for (const sample of group.samples) {
          if (sample.state !== 'waiting' || sample.askAtMs > nowMs) continue;
          sample.state = 'open';
          sample.publishedMs = undefined;
          due.push({ group, sample });
        }
      }
      return due;
    },
    skipAttempt(sample, nowMs) {
      if (sample.state !== 'open') return;
      sample.attempt += 1;
      sample.firstAttempt += 1;
      sample.askAtMs = nowMs;
      sample.state = 'waiting';
    },
    takeSettled(nowMs) {
      const settled: Group[] = [];
      for (const group of live) {
        if (group.deadlineAtMs <= nowMs) applyDeadline(group, nowMs);
        if (group.samples.some(isMissing)) continue;
        group.settledAtMs = nowMs;
        live.delete(group);
        settled.push(group);
      }
      return settled;
    },
    close(group, closed, nowMs) {
      for (const sample of group.samples) {
        const outcome = closed.samples.find(({ taskId }) => taskId === sample.taskId);
        const isDone = outcome !== undefined && isCounted(closed, outcome);
        sample.state = isDone ? 'done' : 'absent';
        sample.cancelled = outcome?.cancelled ?? false;
        if (!isDone) sample.result = undefined;
      }
      group.settledAtMs ??= nowMs;
      group.fate = closed.fate;
      live.delete(group);
    },
    giveUp() {
      for (const group of live) for (const sample of group.samples) cancel(sample);
    },
    takeAbandoned() {
      const taken = abandoned;
      abandoned = [];
      return taken;
    },
    openSamples() {
      let open = 0;
      for (const group of live) for (const sample of group.samples) if (isMissing(sample)) open += 1;
      return open;
    },
    nextDeadlineMs() {
      let next = Infinity;
      for (const group of live) {
        next = Math.min(next, group.deadlineAtMs, hurryAtMs(group));
        for (const sample of group.samples) if (sample.state === 'waiting') next = Math.min(next, sample.askAtMs);
      }
      return next;
    },
  };
}

function isMissing(sample: Sample): boolean {
  return sample.state === 'open' || sample.state === 'waiting';
}
