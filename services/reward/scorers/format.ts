import type { Episode } from './scorer.ts';
import { isWellFormed } from './well-formed.ts';

/** Share of well-formed turns if the episode ends in exactly one answer, else 0. A turn cut by a limit is not well-formed. */
export function scoreFormat({ turns, prediction }: Episode): number {
  if (prediction === undefined) return 0;
  return turns.filter(isWellFormed).length / turns.length;
}
