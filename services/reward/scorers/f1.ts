import type { Episode } from './scorer.ts';

/** Token F1 against the best of answer and aliases; a list of candidates pays with its precision, a missing answer scores 0. */
export function scoreF1({ answerScores }: Episode): number {
  return answerScores.f1;
}
