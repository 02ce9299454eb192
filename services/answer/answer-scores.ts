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

export interface SubstringOptions {
  /** Match at word boundaries: "no" is not in "none". */
  readonly wholeWords: boolean;
  /** A normalised prediction of more words scores 0, so that listing candidates does not pay; 0 is not a bound. */
  readonly maxWords: number;
}

/** 1 when a normalised answer occurs in the normalised prediction. An answer that normalises to nothing occurs nowhere. */
export function substringMatch(prediction: string, answers: readonly string[], options: SubstringOptions): 0 | 1 {
  const words = answerTokens(prediction);
  if (options.maxWords > 0 && words.length > options.maxWords) return 0;
  const edge = options.wholeWords ? ' ' : '';
  const text = `${edge}${words.join(' ')}${edge}`;
  return answers.some((answer) => {
    const gold = answerTokens(answer).join(' ');
    return gold !== '' && text.includes(`${edge}${gold}${edge}`);
  })
    ? 1
    : 0;
}
