import { choiceMatch } from '#answer/choice-match.ts';
import { dateMatch } from '#answer/date-match.ts';
import { hotpotqaScores } from '#answer/hotpotqa-scores.ts';
import { intervalIou } from '#answer/interval-iou.ts';
import { numericMatch } from '#answer/numeric-match.ts';
import { setScores, splitElements } from '#answer/set-f1.ts';
import { substringMatch } from '#answer/answer-scores.ts';
import type { SettingsOf } from '#rewards/scorer-catalogue.ts';
import type { Episode } from './scorer.ts';

/** Scorers that compare the prediction with the gold answers in one form or another. A missing answer scores 0 in each. */

export function scoreSubstring({ prediction, answers }: Episode, settings: SettingsOf<'substring'>): number {
  if (prediction === undefined) return 0;
  return substringMatch(prediction, answers, { wholeWords: settings.whole_words, maxWords: settings.max_words });
}

export function scoreHotpotqaF1({ prediction, answers }: Episode): number {
  return prediction === undefined ? 0 : hotpotqaScores(prediction, answers).f1;
}

export function scoreNumeric({ prediction, answers }: Episode, settings: SettingsOf<'numeric'>): number {
  if (prediction === undefined) return 0;
  const { absolute_tolerance: absoluteTolerance, relative_tolerance: relativeTolerance, unit } = settings;
  return numericMatch(prediction, answers, { absoluteTolerance, relativeTolerance, unit });
}

export function scoreChoice({ prediction, answers }: Episode, { options }: SettingsOf<'choice'>): number {
  return prediction === undefined ? 0 : choiceMatch(prediction, answers, options);
}

export function scoreDate({ prediction, answers }: Episode, settings: SettingsOf<'date'>): number {
  if (prediction === undefined) return 0;
  return dateMatch(prediction, answers, { precision: settings.precision, dayFirst: settings.day_first });
}

export function scoreIou({ prediction, answers }: Episode, { threshold }: SettingsOf<'iou'>): number {
  if (prediction === undefined) return 0;
  const value = intervalIou(prediction, answers);
  return value < threshold ? 0 : value;
}

export function scoreSetF1({ prediction, answers }: Episode, { separator }: SettingsOf<'set_f1'>): number {
  if (prediction === undefined) return 0;
  return setScores(
    splitElements(prediction, separator),
    answers.map((answer) => [answer]),
  ).f1;
}
