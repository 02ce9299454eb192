import type { AbsenceReason } from '#rewards/absence-reasons.ts';
import type { PairVerdict } from '../judge/questions/compare-pair.ts';
import type { ScheduleSettings } from './pair-schedule.ts';

export interface PairwiseSettings {
  readonly kind: 'pairwise';
  readonly schedule: ScheduleSettings;
  readonly bothOrders: boolean;
  readonly allowTies: boolean;
  readonly aggregation: 'bradley_terry' | 'win_rate';
}

export interface ListwiseSettings {
  readonly kind: 'listwise';
  readonly passes: number;
}

/** A checked request. Members are known by their index. */
export interface GroupTask {
  readonly question: string;
  readonly references: readonly string[];
  readonly criterion: string;
  /** What the judge reads of each member; undefined when it gave no answer. */
  readonly texts: readonly (string | undefined)[];
  readonly method: PairwiseSettings | ListwiseSettings;
  readonly pointwiseFirst:
    | { readonly values: readonly number[]; readonly tolerance: number; readonly topOnly: boolean }
    | undefined;
  readonly partial: 'absent' | 'aggregate';
  readonly deadlineMs: number;
  readonly seed: string;
  /** Longest text of one member that is shown. */
  readonly maxCharacters: number;
}

/** `deadline`: of the group. `not_compared`: the schedule left the member out, or all that it met is missing. */
export type GroupAbsence = AbsenceReason | 'deadline' | 'not_compared';

/** One judgement of a pair in one order, by members' indices. */
export interface Comparison {
  readonly first: number;
  readonly second: number;
  readonly outcome:
    | { readonly kind: 'verdict'; readonly verdict: PairVerdict; readonly replyId: string; readonly cached: boolean }
    | { readonly kind: 'absent'; readonly reason: GroupAbsence };
}

export interface MemberScore {
  /** 0..1; undefined when nothing is known. */
  readonly score: number | undefined;
  readonly strength: number | undefined;
  readonly comparisons: number;
  readonly points: number;
}

/** How one set of members fared against each other; `scores` in the order of its members. */
export interface Standing {
  readonly scores: readonly MemberScore[];
  readonly planned: number;
  readonly judged: number;
  readonly byRule: number;
  readonly missing: number;
  readonly judgements: number;
  readonly cached: number;
  readonly absences: readonly GroupAbsence[];
  readonly comparisons: readonly Comparison[];
  /** What position bias and inconsistency are made of, so that several standings can be added up. */
  readonly bias: { readonly favoured: number; readonly decided: number };
  readonly contradictions: { readonly found: number; readonly of: number };
}
