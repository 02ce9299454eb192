import type { SettingsOf } from '#rewards/scorer-catalogue.ts';
import type { Episode } from './scorer.ts';

/** Rewards for how much was written. Tokens are the policy's own, never the environment's. */

/** 1 up to `free_words` of the answer, falling in a line to 0 at `max_words`; 0 without an answer, or with an empty one. */
export function scoreBrevity({ prediction }: Episode, settings: SettingsOf<'brevity'>): number {
  const words = countWords(prediction ?? '', settings.max_words);
  if (words === 0) return 0;
  return falling(words - settings.free_words, settings.max_words - settings.free_words);
}

/** 1 within the budget, falling in a line to 0 over `slack_tokens` outside it. */
export function scoreLengthBudget({ tokens }: Episode, settings: SettingsOf<'length_budget'>): number {
  const model = tokens?.model ?? 0;
  const outside = Math.max(settings.min_tokens - model, model - settings.max_tokens, 0);
  return falling(outside, settings.slack_tokens);
}

function falling(beyond: number, over: number): number {
  return Math.min(1, Math.max(0, 1 - beyond / over));
}

/** Stops at `most`: a giant answer costs no more than the bound. */
export function countWords(text: string, most: number): number {
  let words = 0;
  for (const _ of text.matchAll(/\S+/gu)) {
    words += 1;
    if (words >= most) break;
  }
  return words;
}
