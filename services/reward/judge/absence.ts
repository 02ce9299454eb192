import type { AbsenceReason } from '#rewards/absence-reasons.ts';

export interface Absence {
  readonly kind: 'absent';
  readonly reason: AbsenceReason;
  /** For people. */
  readonly detail: string;
}

export function absent(reason: AbsenceReason, detail: string): Absence {
  return { kind: 'absent', reason, detail };
}
