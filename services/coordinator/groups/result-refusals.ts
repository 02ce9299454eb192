import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ResultRefusedSchema } from '#proto/coordinator/v1/ledger_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { refusalId } from '#run/ledger/fold.ts';
import type { RunContext } from '../run-context.ts';
import { refusedResult } from './result-problem.ts';

export interface ResultRefusals {
  /** The result, or a failure of infrastructure in its place where it cannot be what it says. */
  checked(result: RolloutResult): RolloutResult;
  /** A failure of infrastructure in the place of a result that cannot be what it says, for the ledger and the log. */
  refuse(result: RolloutResult, problem: string): RolloutResult;
  /** Into the ledger, what was refused since the last time. */
  record(): Promise<void>;
}

/** Of one gathering. `missing`: the group of a task that has no result yet. */
export function createResultRefusals(
  { ledger, log }: Pick<RunContext, 'ledger' | 'log'>,
  {
    problemOf,
    missing,
  }: {
    readonly problemOf: (result: RolloutResult, groupId: string) => string | undefined;
    readonly missing: (taskId: string) => string | undefined;
  },
): ResultRefusals {
  let refusals: MessageInitShape<typeof ResultRefusedSchema>[] = [];

  function refuse(result: RolloutResult, problem: string): RolloutResult {
    const { taskId, attempt, workerId } = result;
    refusals.push({ taskId, attempt, workerId, reason: problem });
    log.warn(
      { task: taskId, attempt, worker: workerId, problem },
      'a result is refused; its rollout is asked for again',
    );
    return refusedResult(result, problem);
  }

  return {
    refuse,
    checked(result) {
      const groupId = missing(result.taskId);
      if (groupId === undefined) return result;
      // What a leader refused stays refused: nobody can know any more what lay at its trajectory's place then.
      const refused = ledger.state.refusals.get(refusalId(result.taskId, result.attempt));
      if (refused !== undefined) return refusedResult(result, refused);
      const problem = problemOf(result, groupId);
      return problem === undefined ? result : refuse(result, problem);
    },
    async record() {
      const taken = refusals;
      refusals = [];
      for (const value of taken) await ledger.append({ case: 'resultRefused', value });
    },
  };
}
