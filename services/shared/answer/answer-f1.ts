import { answerTokens } from './normalize-answer.ts';

/**
 * Token F1 against the best of the answers, 0..1. As in SQuAD 2 and MuSiQue: both sides empty is 1, one side empty is 0;
 * there is no special case for yes and no (HotpotQA has one).
 */
export function answerF1(prediction: string, answers: readonly string[]): number {
  const predicted = answerTokens(prediction);
  let best = 0;
  for (const answer of answers) best = Math.max(best, tokenF1(predicted, answerTokens(answer)));
  return best;
}

function tokenF1(predicted: readonly string[], gold: readonly string[]): number {
  if (predicted.length === 0 || gold.length === 0) return predicted.length === gold.length ? 1 : 0;
  const remaining = new Map<string, number>();
  for (const token of gold) remaining.set(token, (remaining.get(token) ?? 0) + 1);
  let common = 0;
  for (const token of predicted) {
    const left = remaining.get(token) ?? 0;
    if (left === 0) continue;
    remaining.set(token, left - 1);
    common += 1;
  }
  if (common === 0) return 0;
  const precision = common / predicted.length;
  const recall = common / gold.length;
  return (2 * precision * recall) / (precision + recall);
}
