import type { AnswerScores } from './answer-scores.ts';
import { answerTokens } from './normalize-answer.ts';
import { sameTokens, tokenOverlap } from './token-overlap.ts';

/** As the script of SQuAD 1.1: like `answerScores`, but nothing in common is F1 0 also when both sides are empty. */
export function squadScores(prediction: string, answers: readonly string[]): AnswerScores {
  const predicted = answerTokens(prediction);
  let exactMatch: 0 | 1 = 0;
  let f1 = 0;
  for (const answer of answers) {
    const gold = answerTokens(answer);
    if (sameTokens(predicted, gold)) exactMatch = 1;
    f1 = Math.max(f1, tokenOverlap(predicted, gold).f1);
  }
  return { exactMatch, f1 };
}
