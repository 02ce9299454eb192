import type { GroupFate } from '#proto/coordinator/v1/ledger_pb.ts';
import type { Row } from '#proto/rollout/v1/task_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';

/** A group as it is planned: one question, the tasks of its samples. */
export interface GroupPlan {
  readonly groupId: string;
  /** Position among the draws of its step or evaluation. */
  readonly draw: number;
  readonly row: Row;
  readonly taskIds: readonly string[];
  /** Of what is drawn for it; 63 bits. */
  readonly seed: bigint;
}

/**
 * A sample of a group.
 *
 *     open --result--> done
 *       |  --infrastructure failure, attempts left--> waiting --askAtMs--> open (attempt + 1)
 *       |  --straggler: its group waits for it alone--> waiting, the first answer of either attempt counts
 *       +--attempts used up, or deadline without retry--> absent
 */
export interface Sample {
  readonly taskId: string;
  readonly index: number;
  state: 'open' | 'waiting' | 'done' | 'absent';
  attempt: number;
  /** The first attempt that counts against the budget: a resumed run asks anew. */
  firstAttempt: number;
  askAtMs: number;
  /** When its newest attempt was stored in the queue, or found there; undefined before. */
  publishedMs: number | undefined;
  /** When its counted result came. */
  answeredMs: number;
  /** Where its newest attempt lies in TASKS, if this process published it. */
  sequence: number | undefined;
  /** Given up on purpose, not for failures. */
  cancelled: boolean;
  result: RolloutResult | undefined;
  /** Its last failure of infrastructure, for people. */
  lastFailure?: Pick<RolloutResult, 'failure' | 'failureDetail'>;
}

export interface Group {
  readonly plan: GroupPlan;
  readonly samples: readonly Sample[];
  readonly openedAtMs: number;
  deadlineAtMs: number;
  /** Nothing is expected any more. */
  settledAtMs: number | undefined;
  /** How long its samples were scored against each other; undefined where they were not, or before a resume. */
  scoringSeconds: number | undefined;
  /** What its close in the ledger says; undefined while it has none. */
  fate: GroupFate | undefined;
  /** A straggler is asked for a second time once. */
  hurried: boolean;
}
