/**
 * The answer normaliser that SQuAD, MuSiQue and Search-R1 share: lower-case, drop ASCII punctuation, drop the articles
 * a/an/the, collapse white space. Curly quotes and dashes stay, as in the official scripts.
 *
 * The character classes are Python's, not JavaScript's: `\b` there knows all of Unicode ("aé" keeps its "a") and
 * `str.split()` has a list of white space of its own.
 */
const asciiPunctuation = /[!-/:-@[-`{-~]/g;
const article = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;
const pythonWhiteSpace = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/** The tokens of the normalised answer; empty when nothing is left of it. */
export function answerTokens(answer: string): readonly string[] {
  const words = answer.toLowerCase().replace(asciiPunctuation, '').replace(article, ' ');
  return words.split(pythonWhiteSpace).filter((word) => word !== '');
}

export function normalizeAnswer(answer: string): string {
  return answerTokens(answer).join(' ');
}
