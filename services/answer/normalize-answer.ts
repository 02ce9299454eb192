/**
 * The answer normaliser that SQuAD, MuSiQue and Search-R1 share: lower-case, drop ASCII punctuation, drop the articles
 * a/an/the, collapse white space. Curly quotes and dashes stay, as in the official scripts.
 *
 * The character classes are Python's, not JavaScript's: `\b` there knows all of Unicode ("aé" keeps its "a") and
 * `str.split()` has a list of white space of its own. One scan over the characters, since this is the hot path of scoring;
 * only tokens with anything but ASCII letters and digits need the expression.
 */
const article = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

const word = 0;
const punctuation = 1;
const space = 2;
/** Neither a word character nor white space for Python: an article next to it stands alone. */
const odd = 3;

const asciiClass = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (/[0-9A-Za-z]/.test(character)) return word;
  if (/[!-/:-@[-`{-~]/.test(character)) return punctuation;
  return /[\t-\r\x1c-\x20]/.test(character) ? space : odd;
});

/** The tokens of the normalised answer; empty when nothing is left of it. Linear in the length of the answer. */
export function answerTokens(answer: string): string[] {
  const text = answer.toLowerCase();
  const tokens: string[] = [];
  // What the token under way has of before its last dropped punctuation.
  let head = '';
  let start = 0;
  let plain = true;
  const { length } = text;
  for (let at = 0; at <= length; at += 1) {
    const code = at === length ? 0x20 : text.charCodeAt(at);
    const kind = code < 128 ? asciiClass[code] : isWideSpace(code) ? space : odd;
    if (kind === word) continue;
    if (kind === odd) {
      plain = false;
      continue;
    }
    const piece = start === at ? '' : text.slice(start, at);
    start = at + 1;
    if (kind === punctuation) {
      head += piece;
      continue;
    }
    const token = head + piece;
    head = '';
    if (token === '') continue;
    if (plain) {
      if (token !== 'a' && token !== 'an' && token !== 'the') tokens.push(token);
    } else {
      for (const part of token.replace(article, ' ').split(' ')) if (part !== '') tokens.push(part);
      plain = true;
    }
  }
  return tokens;
}

export function normalizeAnswer(answer: string): string {
  return answerTokens(answer).join(' ');
}

/** White space of Python's `str.split()` beyond ASCII. */
function isWideSpace(code: number): boolean {
  if (code > 0xa0 && code < 0x1680) return false;
  return (
    code === 0x85 ||
    code === 0xa0 ||
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  );
}
