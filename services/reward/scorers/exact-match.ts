import type { Episode } from './scorer.ts';

/** 1 when the prediction equals an answer or alias after the official normalisation; a missing answer scores 0. */
export function scoreExactMatch({ answerScores }: Episode): number {
  return answerScores.exactMatch;
}
