import type { Episode } from '../scorers/scorer.ts';

/** Two long sentences. UTF-16 units. */
const alwaysFine = 200;
const timesGold = 4;

/** 1 - limit/length beyond the limit: a half at twice of it; 0 up to it. */
export function detectGiantAnswer({ prediction, answers }: Episode): number {
  if (prediction === undefined || prediction.length <= alwaysFine) return 0;
  const limit = longestFine(answers);
  return prediction.length > limit ? 1 - limit / prediction.length : 0;
}

/** Length up to which an answer is not giant: four times the longest gold answer, and at least 200 UTF-16 units. */
export function longestFine(answers: readonly string[]): number {
  return answers.reduce((most, answer) => Math.max(most, timesGold * answer.length), alwaysFine);
}
