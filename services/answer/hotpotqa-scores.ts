import { answerTokens } from './normalize-answer.ts';
import { sameTokens, tokenOverlap } from './token-overlap.ts';

export interface HotpotScores {
  readonly exactMatch: 0 | 1;
  readonly f1: number;
  readonly prec: number;
  readonly recall: number;
}

const whole: ReadonlySet<string> = new Set(['yes', 'no', 'noanswer']);

/**
 * As the scripts of HotpotQA and 2WikiMultihopQA: when either side is yes, no or noanswer and the two differ, nothing is
 * shared, so "no" gains nothing from "no one"; nothing in common is 0 also when both are empty. Each value is the best
 * over the answers by itself, as 2Wiki has it (HotpotQA has one answer).
 */
export function hotpotqaScores(prediction: string, answers: readonly string[]): HotpotScores {
  const predicted = answerTokens(prediction);
  const best = { exactMatch: 0 as 0 | 1, f1: 0, prec: 0, recall: 0 };
  for (const answer of answers) {
    const gold = answerTokens(answer);
    const same = sameTokens(predicted, gold);
    if (same) best.exactMatch = 1;
    if (!same && (isWhole(predicted) || isWhole(gold))) continue;
    const { precision, recall, f1 } = tokenOverlap(predicted, gold);
    best.f1 = Math.max(best.f1, f1);
    best.prec = Math.max(best.prec, precision);
    best.recall = Math.max(best.recall, recall);
  }
  return best;
}

/** Whether an answer is one of those that are right or wrong as a whole. */
export function isWhole(tokens: readonly string[]): boolean {
  const [first] = tokens;
  return tokens.length === 1 && first !== undefined && whole.has(first);
}
