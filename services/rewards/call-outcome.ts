import type { Turn } from '#proto/reward/v1/reward_pb.ts';

type Acted = Pick<Turn, 'action'>;

/**
 * What came of the call that a turn attempted; undefined when it attempted none, as where an answer was malformed. Which violations
 * were calls is for the environment to say (`was_call`): scorers and metrics have no list of codes.
 */
export function callOutcome({ action }: Acted): 'succeeded' | 'failed' | undefined {
  if (action.case === 'toolCall') return action.value.succeeded ? 'succeeded' : 'failed';
  return action.case === 'violation' && action.value.wasCall ? 'failed' : undefined;
}

/** Calls that the turns attempted, and how many of them failed. */
export function countCalls(turns: readonly Acted[]): { readonly attempted: number; readonly failed: number } {
  const outcomes = turns.flatMap((turn) => callOutcome(turn) ?? []);
  return { attempted: outcomes.length, failed: outcomes.filter((outcome) => outcome === 'failed').length };
}
