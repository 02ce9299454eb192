import { absenceReasons, type AbsenceReason } from '#rewards/absence-reasons.ts';

/**
 * Why a custom scorer gave no number. In addition to the reasons of endpoints (`#rewards/absence-reasons.ts`):
 *
 * | reason          | what happened                                                     |
 * |-----------------|-------------------------------------------------------------------|
 * | `threw`         | an exception; its trace is in the log                             |
 * | `crashed`       | its process ended, or broke the protocol                          |
 * | `out_of_memory` | its process needed more than it may                               |
 * | `out_of_range`  | a number outside low..high, or none that is finite                |
 * | `timeout`       | no score in time; the process was killed                          |
 * | `unparsable`    | what it gave is not a number                                         |
 * | `circuit_open`  | not asked, because it fails at the start or on most of the rollouts |
 * | `unavailable`   | HTTP: no reply. Process: the service stops                        |
 */
export type CustomAbsenceReason = AbsenceReason | 'threw' | 'crashed' | 'out_of_memory' | 'out_of_range';

export const customAbsenceReasons: readonly CustomAbsenceReason[] = [
  ...absenceReasons,
  'threw',
  'crashed',
  'out_of_memory',
  'out_of_range',
];

export interface CustomAbsence {
  readonly kind: 'absent';
  readonly reason: CustomAbsenceReason;
  /** For people. */
  readonly detail: string;
}

export function customAbsent(reason: CustomAbsenceReason, detail: string): CustomAbsence {
  return { kind: 'absent', reason, detail };
}
