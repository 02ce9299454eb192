import type { ScoreGroupResponse } from '#proto/reward/v1/group_pb.ts';
import { CancelledError, TransientError } from '#platform/errors.ts';
import type { GradusError } from '#platform/errors.ts';
import { isOutage } from '#rewards/absence-reasons.ts';

/** Why a group has no scores yet. */
export interface ScoringFailure {
  /** A reason of the reward service for an absence, or the code of an error. */
  readonly reason: string;
  /** For people. */
  readonly detail: string;
  /** The judge or the service is unavailable or busy, and the caller waits for it. Else asking again may help, and is counted. */
  readonly passes: boolean;
}

/** Of a group's many questions to one judge, those that had no answer in time are a judge that is busy. */
const isPassing = (reason: string): boolean => isOutage(reason) || reason === 'timeout';

/** Undefined when every judgement is there. */
export function failureInResponse({ missing, absences, planned }: ScoreGroupResponse): ScoringFailure | undefined {
  if (missing === 0) return undefined;
  const reasons = Object.entries(absences).sort(([, a], [, b]) => b - a);
  const [top] = reasons.filter(([reason]) => isPassing(reason)).concat(reasons);
  const counts = reasons.map(([reason, count]) => `${reason} ${count}`).join(', ');
  return {
    reason: top?.[0] ?? 'unknown',
    detail: `${missing} of ${planned} comparisons are missing: ${counts}`,
    passes: top !== undefined && isPassing(top[0]),
  };
}

/** Undefined for an error that asking again cannot fix. A call that we did not cancel was cut off by a service that stops. */
export function failureFromError(error: GradusError): ScoringFailure | undefined {
  const passes = error instanceof TransientError || error instanceof CancelledError;
  return passes ? { reason: error.code, detail: error.message, passes } : undefined;
}
