import type { Question } from '#proto/rollout/v1/task_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { isFreshEnough } from '#shared/domain/capacity.ts';

/** A group as it is planned: one question, the tasks of its samples. */
export interface GroupPlan {
  readonly groupId: string;
  /** Position among the draws of its step or evaluation. */
  readonly draw: number;
  readonly question: Question;
  readonly taskIds: readonly string[];
}

/**
 * A sample of a group.
 *
 *     open --result--> done
 *       |  --infrastructure failure, attempts left--> waiting --askAtMs--> open (attempt + 1)
 *       +--attempts used up, or deadline without retry--> absent
 */
export interface Sample {
  readonly taskId: string;
  readonly index: number;
  state: 'open' | 'waiting' | 'done' | 'absent';
  attempt: number;
  askAtMs: number;
  result: RolloutResult | undefined;
}

export interface Group {
  readonly plan: GroupPlan;
  readonly samples: readonly Sample[];
  readonly openedAtMs: number;
  deadlineAtMs: number;
  /** Nothing is expected any more. */
  settledAtMs: number | undefined;
  /** Its close is in the ledger. */
  closed: boolean;
}

export interface CollectorPolicy {
  readonly onDeadline: 'retry' | 'shrink' | 'drop';
  readonly attempts: number;
  readonly groupMs: number;
  /** Version whose samples are wanted, and how far behind one may be (P5). */
  readonly version: number;
  readonly maxStaleness: number;
  /** Wait before the second attempt; doubles with each further one, up to 30 s. */
  readonly retryAfterMs: number;
}

/** What became of a result. */
export type Reception = 'counted' | 'redundant' | 'unknown' | 'stale' | 'failed';

export interface GroupCollector {
  readonly groups: readonly Group[];
  add(plan: GroupPlan, nowMs: number): Group;
  /** Takes a result; each task counts once, whatever is delivered twice or late (P1). */
  accept(result: RolloutResult, nowMs: number): Reception;
  /** Samples whose time to be asked (again) has come; they are `open` from now on. */
  takeDue(nowMs: number): { readonly group: Group; readonly sample: Sample }[];
  /** Gives up the current attempt of an open sample and asks again, if attempts are left. */
  skipAttempt(sample: Sample, nowMs: number): void;
  /** Settles groups that are whole, and applies the policy to those that are past their deadline. */
  takeSettled(nowMs: number): Group[];
  /** Gives up whatever is missing. */
  giveUp(): void;
  /** Samples that are published and unanswered. */
  openSamples(): number;
  /** When `takeDue` or `takeSettled` has something at the latest; Infinity when only a result can help. */
  nextDeadlineMs(): number;
}

/** The groups of one step or evaluation. No I/O; time is given. */
export function createGroupCollector(policy: CollectorPolicy): GroupCollector {
  const groups: Group[] = [];
  const byTask = new Map<string, { group: Group; sample: Sample }>();

  function askAgain(sample: Sample, nowMs: number): void {
    if (sample.attempt + 1 >= policy.attempts) {
      sample.state = 'absent';
      return;
    }
    sample.askAtMs = nowMs + Math.min(30_000, policy.retryAfterMs * 2 ** sample.attempt);
    sample.attempt += 1;
    sample.state = 'waiting';
  }

  function applyDeadline(group: Group, nowMs: number): void {
    const missing = group.samples.filter((sample) => sample.state === 'open' || sample.state === 'waiting');
    for (const sample of missing) {
      if (policy.onDeadline !== 'retry') sample.state = 'absent';
      else askAgain(sample, nowMs);
    }
    group.deadlineAtMs = nowMs + policy.groupMs;
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
          askAtMs: nowMs,
          result: undefined,
        })),
        openedAtMs: nowMs,
        deadlineAtMs: nowMs + policy.groupMs,
        settledAtMs: undefined,
        closed: false,
      };
      groups.push(group);
      for (const sample of group.samples) byTask.set(sample.taskId, { group, sample });
      return group;
    },
    accept(result, nowMs) {
      const known = byTask.get(result.taskId);
      if (known === undefined) return 'unknown';
      const { group, sample } = known;
      if (sample.state === 'done' || (sample.state === 'absent' && group.settledAtMs !== undefined)) return 'redundant';
      if (isInfrastructure(result.failure) || result.reward === undefined) {
        if (result.attempt < sample.attempt || sample.state === 'absent') return 'redundant';
        sample.attempt = result.attempt;
        askAgain(sample, nowMs);
        return 'failed';
      }
      if (!isFreshEnough(Number(result.versions?.first ?? 0n), policy.version, policy.maxStaleness)) {
        if (result.attempt < sample.attempt || sample.state === 'absent') return 'redundant';
        sample.attempt = result.attempt;
        askAgain(sample, nowMs);
        return 'stale';
      }
      sample.state = 'done';
      sample.result = result;
      return 'counted';
    },
    takeDue(nowMs) {
      const due: { group: Group; sample: Sample }[] = [];
      for (const group of groups) {
        if (group.settledAtMs !== undefined) continue;
        for (const sample of group.samples) {
          if (sample.state !== 'waiting' || sample.askAtMs > nowMs) continue;
          sample.state = 'open';
          due.push({ group, sample });
        }
      }
      return due;
    },
    skipAttempt(sample, nowMs) {
      if (sample.state === 'open') askAgain(sample, nowMs);
    },
    takeSettled(nowMs) {
      const settled: Group[] = [];
      for (const group of groups) {
        if (group.settledAtMs !== undefined) continue;
        if (group.deadlineAtMs <= nowMs) applyDeadline(group, nowMs);
        if (group.samples.every((sample) => sample.state === 'done' || sample.state === 'absent')) {
          group.settledAtMs = nowMs;
          settled.push(group);
        }
      }
      return settled;
    },
    giveUp() {
      for (const group of groups) {
        for (const sample of group.samples) if (sample.state !== 'done') sample.state = 'absent';
      }
    },
    openSamples() {
      let open = 0;
      for (const group of groups) {
        if (group.settledAtMs !== undefined) continue;
        for (const sample of group.samples) if (sample.state === 'open' || sample.state === 'waiting') open += 1;
      }
      return open;
    },
    nextDeadlineMs() {
      let next = Infinity;
      for (const group of groups) {
        if (group.settledAtMs !== undefined) continue;
        next = Math.min(next, group.deadlineAtMs);
        for (const sample of group.samples) if (sample.state === 'waiting') next = Math.min(next, sample.askAtMs);
      }
      return next;
    },
  };
}

/** Infrastructure classes are 1..15, data classes from 16 on (result.proto). */
export function isInfrastructure(failure: FailureClass): boolean {
  return failure !== FailureClass.UNSPECIFIED && failure < FailureClass.MALFORMED_TURN;
}
