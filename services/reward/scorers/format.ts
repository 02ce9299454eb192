import type { Episode } from './scorer.ts';

/** Share of well-formed turns if the episode ends in exactly one answer, else 0. A turn cut by a limit is not well-formed. */
export function scoreFormat({ turns, prediction }: Episode): number {
  if (prediction === undefined) return 0;
  const wellFormed = turns.filter(
    ({ action, truncated }) => !truncated && (action.case === 'toolCall' || action.case === 'answer'),
  );
  return wellFormed.length / turns.length;
}
