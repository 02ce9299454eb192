import { normalizeAnswer } from './normalize-answer.ts';

/** 1 when the prediction equals one of the answers after normalisation, else 0 (max over answer and aliases). */
export function exactMatch(prediction: string, answers: readonly string[]): 0 | 1 {
  const normalized = normalizeAnswer(prediction);
  return answers.some((answer) => normalizeAnswer(answer) === normalized) ? 1 : 0;
}
