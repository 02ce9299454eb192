import { countCalls } from '#rewards/call-outcome.ts';
import type { Episode } from './scorer.ts';

/** Calls that succeeded / calls attempted. 0 without any call: an episode that uses no tool must not score. */
export function scoreToolSuccess({ turns }: Episode): number {
  const { attempted, failed } = countCalls(turns);
  return attempted === 0 ? 0 : (attempted - failed) / attempted;
}
