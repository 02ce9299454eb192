/**
 * Why a judge gave no number:
 *
 * | reason         | what happened, after retries                                            |
 * |----------------|-------------------------------------------------------------------------|
 * | `unavailable`  | the endpoint failed (5xx) or could not be reached, or cut the connection |
 * | `rate_limited` | it asked to slow down (429) for longer than the question may take       |
 * | `timeout`      | no answer in time                                                       |
 * | `circuit_open` | not asked, because most of the last calls failed                        |
 * | `refused`      | it refuses the request (4xx): key, model or settings are wrong          |
 * | `unparsable`   | it answered twice, and neither answer could be read                     |
 */
export type AbsenceReason = 'unavailable' | 'rate_limited' | 'timeout' | 'circuit_open' | 'refused' | 'unparsable';

export const absenceReasons: readonly AbsenceReason[] = [
  'unavailable',
  'rate_limited',
  'timeout',
  'circuit_open',
  'refused',
  'unparsable',
];

const outages: ReadonlySet<string> = new Set<AbsenceReason>(['unavailable', 'rate_limited', 'circuit_open']);

/** Whether a reason has nothing to do with what was asked, and passes by itself. */
export function isOutage(reason: string): boolean {
  return outages.has(reason);
}
