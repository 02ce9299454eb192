import { answerTokens } from './normalize-answer.ts';

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
