import { normalizeAnswer } from './normalize-answer.ts';
import { undecorated } from './plain-characters.ts';

export interface Choice {
  /** Upper case. */
  readonly letter?: string;
  readonly text?: string;
}

/** Longer texts are prose; only their normalised text is compared. */
const longestLabel = 2000;
const lead =
  /^(?:(?:so|thus|therefore|hence),? )?(?:the |my )?(?:(?:final|correct|right|best) )*(?:answer|option|choice)(?: is)?\s*:?\s*(?=[([A-Z])/iu;
const bare = /^[([]*([A-Za-z])[)\].:]*$/u;
/** "B) Paris", "(B) Paris", "B - Paris"; or the letter on a line of its own. */
const labelled = /^(?:[([]([A-Za-z])[)\]][.:]?\s+|([A-Za-z])(?:[).:]\s+|\s+[-–—]\s+|[^\S\n]*\n\s*))(\S.*)$/su;

/**
 * 1 when the prediction names a gold option: "B", "(B)", "B.", "Answer: B", "B) Paris", "B - Paris", or its text, also in TeX or Markdown. Gold answers are
 * letters, texts, or both ("B", "Paris"). A letter next to a text that contradicts the gold text is wrong; two letters are
 * no answer.
 */
export function choiceMatch(prediction: string, answers: readonly string[], options: number): 0 | 1 {
  return decideChoice(prediction, answers, options).match ? 1 : 0;
}

export interface ChoiceDecision {
  readonly match: boolean;
  readonly predicted: Choice;
  /** For people: what decided. */
  readonly reason: string;
}

export function decideChoice(prediction: string, answers: readonly string[], options: number): ChoiceDecision {
  const gold = answers.map((answer) => parseChoice(answer, options));
  const letters = new Set(gold.flatMap(({ letter }) => letter ?? []));
  const texts = new Set(gold.flatMap(({ text }) => (text === undefined ? [] : normalizeAnswer(text))));
  texts.delete('');
  const predicted = parseChoice(prediction, options);
  const text = predicted.text === undefined ? undefined : normalizeAnswer(predicted.text);
  const sameText = text !== undefined && texts.has(text);
  const decided = (match: boolean, reason: string): ChoiceDecision => ({ match, predicted, reason });
  const byText = (): ChoiceDecision =>
    decided(sameText, sameText ? 'the text is that of the gold option' : 'the text is that of no gold option');
  if (predicted.letter === undefined) return byText();
  // What looks like a label may be part of an option's own text, as in "C. difficile".
  if (answers.some((answer) => sameAsWritten(answer, prediction))) return decided(true, 'written as a gold answer is');
  if (letters.size === 0) return byText();
  if (!letters.has(predicted.letter)) return decided(false, `the gold letter is ${[...letters].join(' or ')}`);
  if (text === undefined || texts.size === 0 || sameText) return decided(true, 'the letter is the gold one');
  return decided(false, 'the letter is the gold one, the text next to it is not');
}

function sameAsWritten(a: string, b: string): boolean {
  return a.trim().toLowerCase() === b.trim().toLowerCase();
}

/** Letter and text of an option; a single letter beyond the options is a text. */
function parseChoice(answer: string, options: number): Choice {
  if (answer.length > longestLabel) return { text: answer.trim() };
  // Both sides come here, so what NFKC does to their texts it does to both.
  const stripped = undecorated(answer.normalize('NFKC')).replace(lead, '');
  const isOption = (letter: string | undefined): letter is string =>
    letter !== undefined && letter.toUpperCase().charCodeAt(0) - 65 < options;
  const single = bare.exec(stripped)?.[1];
  if (isOption(single)) return { letter: single.toUpperCase() };
  const [, bracketed, pointed, text] = labelled.exec(stripped) ?? [];
  const letter = bracketed ?? pointed;
  // "A - B": two letters are no answer.
  if (isOption(letter) && text !== undefined && !isOption(bare.exec(text)?.[1]))
    return { letter: letter.toUpperCase(), text };
  return { text: stripped };
}
