import { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import type { LedgerEntry } from '#proto/coordinator/v1/ledger_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { isInfrastructure } from '../run/group-collector.ts';

/** Every published rollout, once: published = completed + failedInfra + open + lost. */
export interface RolloutTotals {
  readonly published: number;
  /** Came back with a reward; those that ended by a fault of the policy (`failedData`) are among them. */
  readonly completed: number;
  readonly failedData: number;
  /** Only failures of infrastructure came back, as often as the recipe's attempts allow. */
  readonly failedInfra: number;
  /** Not answered, and its group is still open: the run was stopped there. */
  readonly open: number;
  /** Not answered at all although its group was closed. */
  readonly lost: number;
  /** Counted more than once, in batches or evaluations. */
  readonly duplicated: number;
  /** Further results of a rollout that had one already; not counted. */
  readonly redundant: number;
}

interface TaskAccount {
  groupId: string;
  completed: boolean;
  data: boolean;
  infra: boolean;
  counted: number;
}

export interface Account {
  entry(entry: LedgerEntry): void;
  result(result: RolloutResult): void;
  totals(): RolloutTotals;
}

/**
 * Audits a run from its ledger and its results, independently of what the coordinator counted while it ran (P1).
 * Feed all ledger entries and all results; the order does not matter.
 */
export function createAccount(): Account {
  const tasks = new Map<string, TaskAccount>();
  const closedGroups = new Set<string>();
  const formedSteps = new Set<bigint>();
  const rest: RolloutResult[] = [];
  let redundant = 0;

  const count = (taskIds: readonly string[]) => {
    for (const taskId of taskIds) {
      const task = tasks.get(taskId);
      if (task !== undefined) task.counted += 1;
    }
  };

  function takeResult(result: RolloutResult): void {
    const task = tasks.get(result.taskId);
    if (task === undefined) {
      rest.push(result);
      return;
    }
    if (isInfrastructure(result.failure) || result.reward === undefined) {
      task.infra = true;
      return;
    }
    if (task.completed) redundant += 1;
    else task.data = result.failure !== FailureClass.UNSPECIFIED;
    task.completed = true;
  }

  return {
    entry({ fact }) {
      switch (fact.case) {
        case 'groupOpened':
          for (const taskId of fact.value.taskIds) {
            if (!tasks.has(taskId))
              tasks.set(taskId, {
                groupId: fact.value.groupId,
                completed: false,
                data: false,
                infra: false,
                counted: 0,
              });
          }
          return;
        case 'groupClosed': {
          if (closedGroups.has(fact.value.groupId)) return;
          closedGroups.add(fact.value.groupId);
          if (fact.value.fate === GroupFate.EVALUATED)
            count(fact.value.samples.filter((sample) => sample.reward !== undefined).map((sample) => sample.taskId));
          return;
        }
        case 'stepFormed':
          if (formedSteps.has(fact.value.step)) return;
          formedSteps.add(fact.value.step);
          count(fact.value.samples.map((sample) => sample.taskId));
          return;
        default:
          return;
      }
    },
    result: takeResult,
    totals() {
      for (const result of rest.splice(0)) if (tasks.has(result.taskId)) takeResult(result);
      const all = [...tasks.values()];
      const unanswered = all.filter((task) => !task.completed && !task.infra);
      return {
        published: all.length,
        completed: all.filter((task) => task.completed).length,
        failedData: all.filter((task) => task.data).length,
        failedInfra: all.filter((task) => !task.completed && task.infra).length,
        open: unanswered.filter((task) => !closedGroups.has(task.groupId)).length,
        lost: unanswered.filter((task) => closedGroups.has(task.groupId)).length,
        duplicated: all.filter((task) => task.counted > 1).length,
        redundant,
      };
    },
  };
}
