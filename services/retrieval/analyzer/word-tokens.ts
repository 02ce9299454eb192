/**
 * Words by Unicode's rules for word boundaries (UAX #29), as Lucene's StandardTokenizer reads them:
 * letters, digits and underscores run together; an apostrophe, full stop, colon or middle dot joins two letters
 * ("don't", "u.s"), a comma, full stop, semicolon or apostrophe joins two digits ("1,000.5"); a hyphen parts.
 * Ideographs and hiragana are words of one character, katakana runs together. Emoji are not indexed;
 * a narrow no-break space parts digits (UAX #29 joins them).
 */
const extend = String.raw`[\p{M}\p{Cf}]*`;
const digits = String.raw`(?:\p{Nd}${extend})+`;
const katakana = String.raw`[\p{Script=Katakana}\u30fc\uff70]`;
const letters = String.raw`(?:[\p{Alphabetic}--[\p{Ideographic}\p{Script=Hiragana}${katakana}\p{M}]]${extend})+`;
const letterJoiner = String.raw`['.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a]`;
const digitJoiner = String.raw`[,;'.\u037e\u0589\u060c\u060d\u066c\u07f8\u2018\u2019\u2024\u2044\ufe10\ufe14\ufe50\ufe52\ufe54\uff07\uff0c\uff0e\uff1b]`;
const letterWord = `${letters}(?:${letterJoiner}${letters})*`;
const digitWord = `${digits}(?:${digitJoiner}${digits})*`;
const piece = `(?:${letterWord}|${digitWord})`;
// The lookbehind keeps a long run of underscores linear.
const word = new RegExp(
  `(?<!_)_*${piece}(?:_*${piece})*_*|(?:${katakana}${extend})+|[\\p{Ideographic}\\p{Script=Hiragana}]${extend}`,
  'gv',
);

/** Lucene's limit; a longer run is cut into several words. */
const maxWordLength = 255;

export function wordTokens(text: string): readonly string[] {
  const words = text.match(word);
  if (words === null) return [];
  return words.some((one) => one.length > maxWordLength) ? words.flatMap(cutLong) : words;
}

function cutLong(one: string): readonly string[] {
  const pieces: string[] = [];
  for (let start = 0; start < one.length; start += maxWordLength) pieces.push(one.slice(start, start + maxWordLength));
  return pieces;
}

/** Where each word begins and ends, in UTF-16 units: start, end, start, end ... Words are not cut at the limit. */
export function wordBounds(text: string): readonly number[] {
  const bounds: number[] = [];
  for (const match of text.matchAll(word)) bounds.push(match.index, match.index + match[0].length);
  return bounds;
}
