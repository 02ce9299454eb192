import { parseDate, type CalendarDate } from '#answer/calendar-date.ts';
import { decideChoice } from '#answer/choice-match.ts';
import { differingPart } from '#answer/date-match.ts';
import { iou, parseInterval, type Interval } from '#answer/interval-iou.ts';
import { compareNumbers, type NumberComparison } from '#answer/numeric-match.ts';
import { parseQuantity, type ParsedQuantity } from '#answer/quantity.ts';
import { compareSets, scoresOf, splitElements } from '#answer/set-f1.ts';
import type { SettingsOf } from '#rewards/scorer-catalogue.ts';
import { shortNumber } from '#rewards/describe-step.ts';
import type { Episode } from '../scorers/scorer.ts';
import { eachAnswer, quote, quoteAll, ratio, withoutPrediction, type Explained } from './explained.ts';

/** Scorers that read a value out of the texts: what was read on either side, and how the two compare. */

export function explainNumeric(episode: Episode, settings: SettingsOf<'numeric'>): Explained {
  const { prediction, answers } = episode;
  if (prediction === undefined) return withoutPrediction(episode);
  const { absolute_tolerance: absoluteTolerance, relative_tolerance: relativeTolerance, unit } = settings;
  const predicted = parseQuantity(prediction);
  const compare = (answer: string): NumberComparison =>
    compareNumbers(predicted, parseQuantity(answer), { absoluteTolerance, relativeTolerance, unit });
  const equal = answers.some((answer) => {
    const comparison = compare(answer);
    return comparison.kind === 'compared' && comparison.equal;
  });
  return {
    value: equal ? 1 : 0,
    reasons: [
      `prediction ${quote(prediction)}: ${quantity(predicted)}`,
      ...(predicted.kind === 'refused'
        ? []
        : eachAnswer(answers, (answer) => `answer ${quote(answer)}: ${numberComparison(compare(answer))}`)),
    ],
  };
}

function quantity(parsed: ParsedQuantity): string {
  if (parsed.kind === 'refused') return `not read, ${parsed.reason}`;
  return `read as ${exact(parsed.value)}${parsed.unit === undefined ? '' : ` (${parsed.unit.kind})`}`;
}

function numberComparison(comparison: NumberComparison): string {
  switch (comparison.kind) {
    case 'refused':
      return `not read, ${comparison.reason}`;
    case 'units':
      return `its unit is ${comparison.gold ?? 'none'}, that of the prediction ${comparison.predicted ?? 'none'}`;
    case 'compared': {
      const { predicted, gold, allowed, equal } = comparison;
      const difference = shortNumber(Math.abs(predicted - gold));
      return `${exact(predicted)} against ${exact(gold)}, difference ${difference}, ${equal ? 'within' : 'more than'} ${shortNumber(allowed)}`;
    }
  }
}

/** All digits but those that converting units makes up. */
function exact(value: number): string {
  return `${Number(value.toPrecision(12))}`;
}

export function explainDate(episode: Episode, settings: SettingsOf<'date'>): Explained {
  const { prediction, answers } = episode;
  if (prediction === undefined) return withoutPrediction(episode);
  const { precision, day_first: dayFirst } = settings;
  const predicted = parseDate(prediction, dayFirst);
  if (predicted.kind === 'refused') {
    return { value: 0, reasons: [`prediction ${quote(prediction)}: not read, ${predicted.reason}`] };
  }
  /** Undefined: the gold date could not be read. */
  const differs = (answer: string): { readonly gold: CalendarDate; readonly part: string | undefined } | undefined => {
    const gold = parseDate(answer, dayFirst);
    return gold.kind === 'refused'
      ? undefined
      : { gold: gold.date, part: differingPart(predicted.date, gold.date, precision) };
  };
  const matches = (answer: string): boolean => {
    const found = differs(answer);
    return found !== undefined && found.part === undefined;
  };
  return {
    value: answers.some(matches) ? 1 : 0,
    reasons: [
      `prediction ${quote(prediction)}: read as ${dateText(predicted.date)}`,
      ...eachAnswer(answers, (answer) => {
        const found = differs(answer);
        if (found === undefined) return `answer ${quote(answer)}: not read`;
        const outcome = found.part === undefined ? 'agrees' : `another ${found.part}`;
        return `answer ${quote(answer)}: read as ${dateText(found.gold)}, ${outcome} (precision ${precision})`;
      }),
    ],
  };
}

function dateText({ year, month, day }: CalendarDate): string {
  const era = year < 0 ? ' BC' : '';
  const parts = [month, day].flatMap((part) => (part === undefined ? [] : [String(part).padStart(2, '0')]));
  return `${[String(Math.abs(year)).padStart(4, '0'), ...parts].join('-')}${era}`;
}

export function explainIou(episode: Episode, { threshold }: SettingsOf<'iou'>): Explained {
  const { prediction, answers } = episode;
  if (prediction === undefined) return withoutPrediction(episode);
  const predicted = parseInterval(prediction);
  if (predicted === undefined) return { value: 0, reasons: [`prediction ${quote(prediction)}: no interval`] };
  const iouWith = (answer: string): number => {
    const gold = parseInterval(answer);
    return gold === undefined ? 0 : iou(predicted, gold);
  };
  const best = answers.reduce((most, answer) => Math.max(most, iouWith(answer)), 0);
  return {
    value: best < threshold ? 0 : best,
    reasons: [
      `prediction ${quote(prediction)}: read as ${intervalText(predicted)}`,
      ...eachAnswer(answers, (answer) => {
        const gold = parseInterval(answer);
        const read = gold === undefined ? 'no interval' : `read as ${intervalText(gold)}`;
        return `answer ${quote(answer)}: ${read}, intersection / union ${ratio(iouWith(answer))}`;
      }),
      ...(best < threshold ? [`${ratio(best)} is below the threshold ${threshold}`] : []),
    ],
  };
}

function intervalText({ start, end }: Interval): string {
  return `${shortNumber(start)} .. ${shortNumber(end)}`;
}

export function explainChoice(episode: Episode, { options }: SettingsOf<'choice'>): Explained {
  const { prediction, answers } = episode;
  if (prediction === undefined) return withoutPrediction(episode);
  const { match, predicted, reason } = decideChoice(prediction, answers, options);
  const letter = predicted.letter === undefined ? 'no letter' : `letter ${predicted.letter}`;
  const text = predicted.text === undefined ? 'no text' : `text ${quote(predicted.text)}`;
  return {
    value: match ? 1 : 0,
    reasons: [`prediction ${quote(prediction)}: ${letter}, ${text}`, `answers: ${quoteAll(answers)}`, reason],
  };
}

export function explainSetF1(episode: Episode, { separator }: SettingsOf<'set_f1'>): Explained {
  const { prediction, answers } = episode;
  if (prediction === undefined) return withoutPrediction(episode);
  const comparison = compareSets(
    splitElements(prediction, separator),
    answers.map((answer) => [answer]),
  );
  const { met, extra, missing } = comparison;
  const { f1, prec, recall } = scoresOf(comparison);
  return {
    value: f1,
    reasons: [
      `in both, normalised: ${quoteAll(met)}`,
      `only in the prediction: ${quoteAll(extra)}`,
      `only in the answers: ${quoteAll(missing)}`,
      `precision ${met.length}/${met.length + extra.length} = ${ratio(prec)}, recall ${met.length}/${met.length + missing.length} = ${ratio(recall)}`,
    ],
  };
}
