import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import type { LedgerEntry, SampleOutcome } from '#proto/coordinator/v1/ledger_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { isCounted } from './is-counted.ts';
import { isInfrastructure, isUserCode } from './failure-classes.ts';
import { refusalId } from '../ledger/fold.ts';
import { createIdTable } from './id-table.ts';

/** Every published rollout, once: published = completed + failedInfra + failedUserCode + cancelled + open + lost. */
export interface RolloutTotals {
  readonly published: number;
  /** Came back with their scores; those that ended by a fault of the policy (`failedData`) are among them. */
  readonly completed: number;
  readonly failedData: number;
  /** Only failures of infrastructure came back, as often as the recipe's attempts allow. */
  readonly failedInfra: number;
  /** No scores came back: code of the user's failed, or the endpoint refused what the user set. The run ends with it. */
  readonly failedUserCode: number;
  /** Given up on purpose: the batch was full, its group's deadline passed, or the run was stopped. A result that came all the same is `completed`. */
  readonly cancelled: number;
  /** Not answered, and its group is still open: the run was stopped there. */
  readonly open: number;
  /** Not answered at all although its group was closed. */
  readonly lost: number;
  /** Counted more than once, in batches or evaluations. */
  readonly duplicated: number;
  /** Further results of a rollout that had one already; not counted. */
  readonly redundant: number;
  /** Results that cannot be, by a number or a trajectory that does not exist; each is a failure of infrastructure. */
  readonly refused: number;
}

/** What is known of a task, in one number: these bits, and above them how many further results came. */
const bit = {
  published: 1,
  completed: 2,
  data: 4,
  infra: 8,
  cancelled: 16,
  counted: 32,
  countedTwice: 64,
  userCode: 128,
} as const;
const oneRedundant = 256;

export interface Account {
  entry(entry: LedgerEntry): void;
  /** False for a result that was refused, and for a further one of a rollout that had one already: how it ended counts in nothing. */
  result(result: RolloutResult): boolean;
  totals(): RolloutTotals;
}

/**
 * Audits a run from its ledger and its results, independently of what the coordinator counted while it ran (P1).
 * Feed all ledger entries in their order and all results in any; a few bytes are kept of each rollout (P6).
 */
export function createAccount(): Account {
  const tasks = createIdTable();
  /** By the number of a task: its group. */
  let groupOf = new Uint32Array(1024);
  /** 1 when closed. */
  const groups = createIdTable();
  let formedStep = 0n;
  /** Attempts; few, for the failure budget ends a run with many. */
  const refused = new Set<string>();

  const mark = (index: number, bits: number) => tasks.set(index, tasks.get(index) | bits);

  function count(samples: readonly SampleOutcome[]): void {
    for (const { taskId } of samples) {
      const task = tasks.find(taskId);
      if (task !== -1) mark(task, (tasks.get(task) & bit.counted) === 0 ? bit.counted : bit.countedTwice);
    }
  }

  function publish(taskId: string, group: number): void {
    const task = tasks.add(taskId);
    if ((tasks.get(task) & bit.published) !== 0) return;
    mark(task, bit.published);
    if (task >= groupOf.length) {
      const larger = new Uint32Array(Math.max(task + 1, groupOf.length * 2));
      larger.set(groupOf);
      groupOf = larger;
    }
    groupOf[task] = group;
  }

  return {
    entry({ fact }) {
      switch (fact.case) {
        case 'groupOpened': {
          const group = groups.add(fact.value.groupId);
          for (const taskId of fact.value.taskIds) publish(taskId, group);
          return;
        }
        case 'groupClosed': {
          const group = groups.add(fact.value.groupId);
          if (groups.get(group) === 1) return;
          groups.set(group, 1);
          const { samples, fate } = fact.value;
          for (const sample of samples) if (sample.cancelled) mark(tasks.add(sample.taskId), bit.cancelled);
          if (fate === GroupFate.EVALUATED) count(samples.filter((sample) => isCounted(fact.value, sample)));
          return;
        }
        case 'stepFormed':
          // Steps are in order in a ledger; one that is there again was appended twice.
          if (fact.value.step <= formedStep) return;
          formedStep = fact.value.step;
          count(fact.value.samples);
          return;
        case 'resultRefused':
          refused.add(refusalId(fact.value.taskId, fact.value.attempt));
          return;
        default:
          return;
      }
    },
    result(result) {
      // Also of a task that is not known yet: it is passed over in the end if it stays so.
      const task = tasks.add(result.taskId);
      const isRefused = refused.has(refusalId(result.taskId, result.attempt));
      const isRedundant = (tasks.get(task) & bit.completed) !== 0;
      if (isInfrastructure(result.failure) || isRefused) mark(task, bit.infra);
      else if (isUserCode(result.failure)) mark(task, bit.userCode);
      else if (isRedundant) tasks.set(task, tasks.get(task) + oneRedundant);
      else mark(task, bit.completed | (result.failure === FailureClass.UNSPECIFIED ? 0 : bit.data));
      return !isRedundant && !isRefused;
    },
    totals() {
      const totals = { ...nothing, refused: refused.size };
      for (let task = 0; task < tasks.size; task++) {
        const known = tasks.get(task);
        const has = (bits: number) => (known & bits) !== 0;
        if (!has(bit.published)) continue;
        totals.published += 1;
        totals.redundant += Math.floor(known / oneRedundant);
        if (has(bit.data)) totals.failedData += 1;
        if (has(bit.countedTwice)) totals.duplicated += 1;
        if (has(bit.completed)) totals.completed += 1;
        else if (has(bit.cancelled)) totals.cancelled += 1;
        else if (has(bit.userCode)) totals.failedUserCode += 1;
        else if (has(bit.infra)) totals.failedInfra += 1;
        else if (groups.get(groupOf[task] ?? 0) === 1) totals.lost += 1;
        else totals.open += 1;
      }
      return totals;
    },
  };
}

const nothing = {
  published: 0,
  completed: 0,
  failedData: 0,
  failedInfra: 0,
  failedUserCode: 0,
  cancelled: 0,
  open: 0,
  lost: 0,
  duplicated: 0,
  redundant: 0,
  refused: 0,
};
