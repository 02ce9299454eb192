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

/** Why `groups` groups have no scores, the last one as the example, and what to do about it. */
export function describeMissing({ scorer, judge, reason, detail }: MissingScores, groups: number): string {
  const of = groups === 1 ? '1 group' : `${groups} groups`;
  return `${of} got no scores of ${scorer} from judge ${judge}: ${reason} (last: ${detail}); ${fixOf(reason, judge)}`;
}

function fixOf(reason: string, judge: string): string {
  switch (reason) {
    case 'deadline':
      return `raise deadline_ms of the scorer, group_timeout_ms of judges.${judge} or deadlines.step_ms, or ask for fewer pairs`;
    case 'deadline_exceeded':
    case 'rate_limited':
    case 'resource_exhausted':
      return `lower concurrency or raise the timeouts and queue of judges.${judge}, or ask for fewer pairs`;
    case 'not_compared':
      return 'raise pairs or rounds of the scorer';
    case 'refused':
      return `see the model and key of judges.${judge}: its endpoint refuses the questions`;
    case 'unparsable':
      return `judge ${judge} does not answer in the form that it is asked for: choose another model, or set partial: aggregate`;
    default:
      return `see that the reward service runs and that judge ${judge} answers at its base_url`;
  }
}
