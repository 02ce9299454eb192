import type { Episode } from './scorer.ts';
import { isWellFormed } from './well-formed.ts';
import { countCalls } from '#rewards/call-outcome.ts';

/** 1 when the prediction equals an answer or alias after the official normalisation; a missing answer scores 0. */
export function scoreExactMatch({ answerScores }: Episode): number {
  return answerScores.exactMatch;
}

/** Token F1 against the best of answer and aliases; a list of candidates pays with its precision, a missing answer scores 0. */
export function scoreF1({ answerScores }: Episode): number {
  return answerScores.f1;
}

/** Share of well-formed turns if the episode ends in exactly one answer, else 0. A turn cut by a limit is not well-formed. */
export function scoreFormat({ turns, prediction }: Episode): number {
  if (prediction === undefined) return 0;
  return turns.filter(isWellFormed).length / turns.length;
}

/** Calls that succeeded / calls attempted. 0 without any call: an episode that uses no tool must not score. */
export function scoreToolSuccess({ turns }: Episode): number {
  const { attempted, failed } = countCalls(turns);
  return attempted === 0 ? 0 : (attempted - failed) / attempted;
}
