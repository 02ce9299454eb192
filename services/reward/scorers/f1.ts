import { answerF1 } from '#shared/answer/answer-f1.ts';
import type { Episode } from './scorer.ts';

/** Token F1 against the best of answer and aliases; a list of candidates pays with its precision, a missing answer scores 0. */
export function scoreF1({ prediction, answers }: Episode): number {
  return prediction === undefined ? 0 : answerF1(prediction, answers);
}
