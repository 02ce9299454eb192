import type { Turn } from '#proto/reward/v1/reward_pb.ts';
import type { Episode } from './scorer.ts';

/** Calls that succeeded / calls attempted. 0 without any call: an episode that uses no tool must not score. */
export function scoreToolSuccess({ turns }: Episode): number {
  let attempted = 0;
  let succeeded = 0;
  for (const turn of turns) {
    const outcome = callOutcome(turn);
    if (outcome === undefined) continue;
    attempted += 1;
    if (outcome === 'succeeded') succeeded += 1;
  }
  return attempted === 0 ? 0 : succeeded / attempted;
}

/** What came of the call that a turn attempted; undefined when it attempted none. */
export function callOutcome({ action }: Pick<Turn, 'action'>): 'succeeded' | 'failed' | undefined {
  if (action.case === 'toolCall') return action.value.succeeded ? 'succeeded' : 'failed';
  return action.case === 'violation' && action.value.wasCall ? 'failed' : undefined;
}
