import { parseDate } from '#answer/calendar-date.ts';
import { parseInterval } from '#answer/interval-iou.ts';
import { normalizeAnswer } from '#answer/normalize-answer.ts';
import { parseQuantity } from '#answer/quantity.ts';
import { goldKindOf, type GoldKind } from './scorer-catalogue.ts';

export interface Gold {
  readonly answers: readonly string[];
  readonly supportTitles: readonly string[];
}

/** What is wrong with a gold answer, and what to do: never a free point, and never a 0 that nobody can avoid. */
export interface GoldProblem {
  /** For example `answers[1]`. */
  readonly field: string;
  readonly message: string;
}

/**
 * The first gold value that a scorer cannot read. `dayFirst` is the setting of the date scorer. Scorers of text read what does
 * not normalise to nothing; those of numbers, dates and intervals what has one reading.
 */
export function goldProblem(scorer: string, gold: Gold, dayFirst?: boolean): GoldProblem | undefined {
  const kind = goldKindOf(scorer);
  if (kind === 'none') return undefined;
  if (kind === 'supports') {
    if (gold.supportTitles.some((title) => title.trim() !== '')) return undefined;
    return {
      field: 'support_titles',
      message: `empty, and ${scorer} compares pages with them; give the titles of the pages that hold the facts, or leave ${scorer} out`,
    };
  }
  if (gold.answers.length === 0) return { field: 'answers', message: 'empty; give the gold answer and its aliases' };
  for (const [at, answer] of gold.answers.entries()) {
    const message = answerProblem(kind, answer, dayFirst);
    if (message !== undefined)
      return { field: `answers[${at}]`, message: `${JSON.stringify(answer.slice(0, 80))} ${message}` };
  }
  return undefined;
}

function answerProblem(kind: GoldKind, answer: string, dayFirst: boolean | undefined): string | undefined {
  switch (kind) {
    case 'text':
    case 'set':
      if (normalizeAnswer(answer) !== '') return undefined;
      return (
        'normalises to nothing (only articles, ASCII punctuation or white space), so an empty prediction would win; ' +
        'remove it from the data'
      );
    case 'number': {
      const parsed = parseQuantity(answer);
      return parsed.kind === 'quantity'
        ? undefined
        : `is not a single number: ${parsed.reason}; write it as digits, for example 1234.5 km`;
    }
    case 'date': {
      const parsed = parseDate(answer, dayFirst);
      return parsed.kind === 'date'
        ? undefined
        : `is not a single date: ${parsed.reason}; write it as YYYY-MM-DD, YYYY-MM or YYYY`;
    }
    case 'interval':
      return parseInterval(answer) === undefined
        ? 'is not an interval; write START - END with the end after the start, for example 12.5 - 20'
        : undefined;
    case 'choice':
      return answer.trim() === '' ? "is blank; give the option's letter, its text, or both" : undefined;
    case 'supports':
    case 'none':
      return undefined;
  }
}

/** A scorer that a rollout is given to; one of weight 0 is only recorded. */
export interface AskedScorer {
  readonly name: string;
  readonly recordedOnly?: boolean | undefined;
}

/**
 * The scorers whose gold an item must have, by name: those that count; when none of them reads answers and the environment gives no
 * reward itself, also those of text that are recorded, for an answer that normalises to nothing would look like a right one.
 */
export function scorersOfGold(scorers: readonly AskedScorer[], selfScored = false): readonly string[] {
  const counting = scorers.flatMap(({ name, recordedOnly = false }) => (recordedOnly ? [] : [name]));
  if (selfScored) return counting;
  const readsAnswers = counting.some((name) => !['none', 'supports'].includes(goldKindOf(name)));
  if (readsAnswers) return counting;
  return [...new Set([...counting, ...scorers.map(({ name }) => name).filter((name) => goldKindOf(name) === 'text')])];
}
