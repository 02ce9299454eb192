import { answerTokens } from '#answer/normalize-answer.ts';
import type { Episode } from '../scorers/scorer.ts';

/** Words in a row that count as copied; a full sentence as answer shares shorter runs with its question. */
const runWords = 5;
const leastWords = 3;
const leastShare = 0.8;

/** Share of the question that the answer repeats, if that is most of it; else 0. */
export function detectCopiedPrompt({ prediction, question, answerScores }: Episode): number {
  if (prediction === undefined || prediction.length * 2 < question.length || answerScores.exactMatch === 1) return 0;
  const share = shareCopied(question, prediction);
  return share >= leastShare ? share : 0;
}

/**
 * Share of the question's normalised words that stand in runs of 5 (fewer where it has fewer, but at least 3) which occur in
 * the text word by word. Linear in both.
 */
export function shareCopied(question: string, text: string): number {
  const words = answerTokens(question);
  const length = Math.min(runWords, words.length);
  if (length < leastWords) return 0;
  const places = new Map<string, number[]>();
  for (const [at, run] of runs(words, length)) {
    const known = places.get(run);
    if (known === undefined) places.set(run, [at]);
    else known.push(at);
  }
  const copied = new Uint8Array(words.length);
  for (const [, run] of runs(answerTokens(text), length)) {
    for (const at of places.get(run) ?? []) copied.fill(1, at, at + length);
    // Once is enough, and keeps the time linear.
    places.delete(run);
  }
  return copied.reduce((sum, one) => sum + one, 0) / words.length;
}

function* runs(words: readonly string[], length: number): Generator<[number, string]> {
  for (let at = 0; at + length <= words.length; at += 1) yield [at, words.slice(at, at + length).join(' ')];
}
