import { splitElements } from '#answer/set-f1.ts';
import { normalizeAnswer } from '#answer/normalize-answer.ts';
import type { Episode } from '../scorers/scorer.ts';

/** Answers that hold none of these are no list: most cost one test. */
const mayList = /[,，、;；|\n]|\bor\s|\s\/\s|\d\D+\d/i;
/** Alternatives, whatever stands between them. */
const alternative = /[;；|\n]|[\s(](?:and\/)?or\s|\s\/\s/gi;
/** Commas of places and dates, too: Columbus, Franklin County, Ohio. Not that of 1,000. */
const comma = /,(?=\s)|[，、]/g;
const leastByCommas = 4;
const wordsOfName = 6;
const wordsOfAlternative = 12;
const conjunction = /^(?:and|or) /;
const integer = /^\s*\d+\s*$/;
const year = /(?<!\d)[12]\d{3}(?!\d)/g;
const leastYears = 3;
const none: ReadonlySet<string> = new Set();

/** 1 - allowed/n for n candidates, where `allowed` is what the gold answers explain; 0 when they explain all. */
export function detectCandidateList({ prediction, answers, answerScores }: Episode): number {
  if (prediction === undefined || answerScores.exactMatch === 1) return 0;
  const candidates = candidatesIn(prediction);
  if (candidates.size < 2) return 0;
  const allowed = candidatesAllowed(candidates, answers);
  return candidates.size > allowed ? 1 - allowed / candidates.size : 0;
}

/** As many as the longest gold list has, or as many as are gold answers or parts of them: whichever is more. At least 1. */
export function candidatesAllowed(candidates: ReadonlySet<string>, answers: readonly string[]): number {
  const gold = new Set(answers.map(normalizeAnswer));
  let longest = 1;
  for (const answer of answers) {
    const parts = candidatesIn(answer);
    longest = Math.max(longest, parts.size);
    for (const part of parts) gold.add(part);
  }
  let met = 0;
  for (const candidate of candidates) if (gold.has(candidate)) met += 1;
  return Math.max(longest, met);
}

/** The different candidates that a text names, normalised; empty when it is not a list. Linear in the text. */
export function candidatesIn(text: string): ReadonlySet<string> {
  if (!mayList.test(text)) return none;
  const years = new Set(text.match(year));
  const names = namesIn(text);
  return years.size >= leastYears && years.size > names.size ? years : names;
}

function namesIn(text: string): ReadonlySet<string> {
  const alternatives = text.replace(alternative, '\n');
  const parts = alternatives.replace(comma, '\n');
  const fewCommas = parts.split('\n', leastByCommas).length < leastByCommas;
  // A place or a date, as most answers with a comma are.
  if (!alternatives.includes('\n') && fewCommas && !areIntegers(parts)) return none;
  const byWord = namesOf(alternatives, 2, wordsOfAlternative);
  const names = namesOf(parts, byWord.size > 1 || areIntegers(parts) ? 2 : leastByCommas, wordsOfName);
  return names.size > byWord.size ? names : byWord;
}

const areIntegers = (lines: string): boolean => lines.split('\n').every((line) => integer.test(line));

/** Lines of at most so many words, normalised; none when there are fewer than `least`. */
function namesOf(lines: string, least: number, words: number): ReadonlySet<string> {
  const names = new Set<string>();
  for (const element of splitElements(lines, '\n')) {
    const name = normalizeAnswer(element).replace(conjunction, '');
    if (name !== '' && !hasMoreWords(name, words)) names.add(name);
  }
  return names.size >= least ? names : none;
}

function hasMoreWords(normalized: string, most: number): boolean {
  let words = 1;
  for (let at = normalized.indexOf(' '); at >= 0; at = normalized.indexOf(' ', at + 1)) {
    words += 1;
    if (words > most) return true;
  }
  return false;
}
