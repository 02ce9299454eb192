import type { Episode } from '../scorers/scorer.ts';

/** A number and why it is what it is. */
export interface Explained {
  /** The scorer's own value, computed from what the reasons say. */
  readonly value: number;
  /** For people, one fact a line. */
  readonly reasons: readonly string[];
}

const longestQuote = 100;
const mostItems = 8;

/** A text of anybody's within quotes, its end cut off when it is long. */
export function quote(text: string): string {
  return text.length <= longestQuote
    ? JSON.stringify(text)
    : `${JSON.stringify(text.slice(0, longestQuote))} (the first ${longestQuote} of ${text.length} characters)`;
}

/** Some texts within quotes; those beyond the first few are counted. */
export function quoteAll(texts: readonly string[]): string {
  if (texts.length === 0) return 'none';
  const more = texts.length > mostItems ? ` and ${texts.length - mostItems} more` : '';
  return `${texts.slice(0, mostItems).map(quote).join(', ')}${more}`;
}

/** Lines, one for each of the first few answers. */
export function eachAnswer(answers: readonly string[], line: (answer: string) => string): string[] {
  const more = answers.length > mostItems ? [`and ${answers.length - mostItems} more answers`] : [];
  return [...answers.slice(0, mostItems).map(line), ...more];
}

export function ratio(value: number): string {
  return `${Number(value.toFixed(4))}`;
}

/** `3 turns`, `1 turn`. */
export function count(many: number, what: string): string {
  return `${many} ${what}${many === 1 ? '' : 's'}`;
}

/** Why an episode has no prediction. */
export function withoutPrediction({ turns }: Episode): Explained {
  const answers = turns.flatMap(({ action }, turn) => (action.case === 'answer' ? [turn + 1] : []));
  const [first, second] = answers;
  const why =
    first === undefined
      ? 'no turn is an answer'
      : second === undefined
        ? `the answer, turn ${first} of ${turns.length}, is not the last turn`
        : `${answers.length} turns are answers, and only a single one counts`;
  return { value: 0, reasons: [`there is no prediction: ${why}`] };
}
