import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GroupJudgedSchema } from '#proto/coordinator/v1/ledger_pb.ts';
import type { ScoreGroupResponse } from '#proto/reward/v1/group_pb.ts';

export type GroupJudgedInit = MessageInitShape<typeof GroupJudgedSchema>;

/** A groupwise component that samples of a group do not have. */
export interface MissingScores {
  readonly scorer: string;
  readonly judge: string;
  readonly reason: string;
  readonly detail: string;
}

/** What the groupwise scorers of a stage gave one group. */
export interface GroupScores {
  /** By task id, then by component, 0..1. */
  readonly components: ReadonlyMap<string, Readonly<Record<string, number>>>;
  /** By component. */
  readonly judged: Readonly<Record<string, GroupJudgedInit>>;
  readonly missing: readonly MissingScores[];
  readonly seconds: number;
}

/** Counts of an answer as the ledger keeps them: the judgements themselves stay out of it. */
export function judgedOf(response: ScoreGroupResponse): GroupJudgedInit {
  const { planned, judged, byRule, missing, judgements, cached, positionBias, inconsistency, absences } = response;
  return { planned, judged, byRule, missing, judgements, cached, positionBias, inconsistency, absences };
}
