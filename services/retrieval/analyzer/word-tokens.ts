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

/**
 * Text that is matched at once. The matcher keeps a place to go back to for every character of a run, and gives up with
 * "Maximum call stack size exceeded" after some millions.
 */
const windowUnits = 1 << 17;
/** At the end of a window a word may go on: a joiner and the letter after it, which may be a pair. */
const openUnits = 4;

export function wordTokens(text: string): readonly string[] {
  if (text.length <= windowUnits) return cutAll(text.match(word) ?? []);
  const words: string[] = [];
  for (const [start, end] of boundsOf(text)) for (const one of cutLong(text.slice(start, end))) words.push(one);
  return words;
}

function cutAll(words: readonly string[]): readonly string[] {
  return words.some((one) => one.length > maxWordLength) ? words.flatMap(cutLong) : words;
}

function cutLong(one: string): readonly string[] {
  if (one.length <= maxWordLength) return [one];
  const pieces: string[] = [];
  for (let start = 0; start < one.length; start += maxWordLength) pieces.push(one.slice(start, start + maxWordLength));
  return pieces;
}

/**
 * Where each word begins and ends, in UTF-16 units: start, end, start, end ... Words are not cut at the limit, only where
 * they are longer than what is matched at once.
 */
export function wordBounds(text: string): readonly number[] {
  const bounds: number[] = [];
  for (const [start, end] of boundsOf(text)) bounds.push(start, end);
  return bounds;
}

/** The words of a text in windows; a word that may go on in the next one begins it. */
function* boundsOf(text: string): Generator<readonly [number, number]> {
  for (let from = 0; from < text.length;) {
    const isLast = text.length - from <= windowUnits;
    const part = isLast ? text.slice(from) : text.slice(from, from + windowUnits);
    let next = isLast ? part.length : startOfOpenRun(part);
    for (const { index, 0: found } of part.matchAll(word)) {
      const end = index + found.length;
      if (isLast || end <= part.length - openUnits) {
        yield [from + index, from + end];
        continue;
      }
      next = index;
      if (index > 0) break;
      // Longer than the window: cut where the analyzers cut it.
      next = end - (end % maxWordLength);
      yield [from, from + next];
      break;
    }
    from += next;
  }
}

/** Underscores at the end of a window belong to the word after them; what cannot be a word's beginning is left behind. */
function startOfOpenRun(part: string): number {
  let start = part.length;
  while (start > 0 && part[start - 1] === '_') start -= 1;
  if (start === 0) return part.length;
  // Not between the halves of a pair.
  return start === part.length && /[\ud800-\udbff]$/.test(part.slice(-1)) ? start - 1 : start;
}
