import { answerTokens } from './normalize-answer.ts';
import { sameTokens, tokenOverlap } from './token-overlap.ts';

export interface AnswerScores {
  /** 1 when the prediction equals an answer after normalisation. */
  readonly exactMatch: 0 | 1;
  /** Token F1 against the best answer, 0..1. */
  readonly f1: number;
}

/**
 * Exact match and token F1, each against the best of the answers, as MuSiQue has them (and SQuAD 2): both sides empty is
 * F1 1, one side empty is 0; there is no special case for yes and no (HotpotQA has one).
 */
export function answerScores(prediction: string, answers: readonly string[]): AnswerScores {
  const predicted = answerTokens(prediction);
  let f1 = 0;
  for (const answer of answers) {
    const gold = answerTokens(answer);
    if (sameTokens(predicted, gold)) return { exactMatch: 1, f1: 1 };
    if (predicted.length === 0 || gold.length === 0) continue;
    f1 = Math.max(f1, tokenOverlap(predicted, gold).f1);
  }
  return { exactMatch: 0, f1 };
}
