import { z } from 'zod';
import { goldProblem, type GoldProblem } from '#rewards/gold-problem.ts';
import { settableScorers } from '#rewards/scorer-catalogue.ts';
import { answerScores, squadScores, substringMatch } from '../answer-scores.ts';
import { choiceMatch } from '../choice-match.ts';
import { dateMatch } from '../date-match.ts';
import { hotpotqaScores } from '../hotpotqa-scores.ts';
import { intervalIou } from '../interval-iou.ts';
import { numericMatch } from '../numeric-match.ts';
import { setScores, splitElements } from '../set-f1.ts';
import { musiqueSupportScores } from '../support-scores.ts';
import type { RowMetricName } from './metric-help.ts';
import { hotpotqaFacts, jointColumns, scoreColumns, twoWikiEvidences, twoWikiFacts } from './supporting-facts.ts';

/** Values of a row by column, each within 0..1. */
export type Columns = Readonly<Record<string, number>>;

/** One way to score rows of a file. */
export interface RowMetric {
  /** Names of its settings. */
  readonly settings: readonly string[];
  /** Checks settings once and gives what scores rows; both throw `ZodError`. */
  readonly open: (settings: unknown) => (row: unknown) => ScoredRow;
}

export interface ScoredRow {
  /** A gold answer that the metric cannot read; the row has no score then. */
  readonly goldProblem: GoldProblem | undefined;
  columns(): Columns;
}

const answers = z.array(z.string()).min(1, 'is empty; give the gold answer and its aliases');
const prediction = z.string().nullish();
const number = z.union([z.string(), z.number()]);
const interval = z.union([z.string(), z.tuple([z.number(), z.number()])]);
const facts = z.array(z.tuple([z.string(), z.int()]));
const triples = z.array(z.tuple([z.string(), z.string(), z.string()]));
const names = z.union([z.string(), z.array(z.string()).min(1).max(10_000)], {
  error: 'must be a name, or a list of names that mean the same',
});
const goldTriples = z.array(z.tuple([names, z.string(), names]));
const noSettings = z.strictObject({});

/** Ties a metric's schemas to its function. */
function metric<Row, Settings>(parts: {
  readonly row: z.ZodType<Row>;
  readonly settings: z.ZodObject & z.ZodType<Settings>;
  /** The scorer whose rule gold answers have to meet. */
  readonly goldScorer: string;
  readonly gold: (row: Row) => readonly string[];
  readonly score: (row: Row, settings: Settings) => Columns;
  readonly dayFirst?: (settings: Settings) => boolean | undefined;
}): RowMetric {
  return {
    settings: Object.keys(parts.settings.shape).filter((key) => key !== 'weight'),
    open(given) {
      const settings = parts.settings.parse(given);
      return (value) => {
        const row = parts.row.parse(value, { reportInput: true });
        const gold = { answers: parts.gold(row), supportTitles: [] };
        return {
          goldProblem: goldProblem(parts.goldScorer, gold, parts.dayFirst?.(settings)),
          columns: () => parts.score(row, settings),
        };
      };
    },
  };
}

const textRow = z.object({ prediction, answers });
const goldOf = (row: { readonly answers: readonly string[] }): readonly string[] => row.answers;
const textOf = (value: string | number): string => String(value);
const intervalText = (value: string | readonly [number, number]): string =>
  typeof value === 'string' ? value : `${value[0]} - ${value[1]}`;
const missing = { exactMatch: 0, f1: 0 } as const;
const missingParts = { exactMatch: 0, f1: 0, prec: 0, recall: 0 } as const;

/** Every metric by its name on the command line. */
export const rowMetrics: Readonly<Record<RowMetricName, RowMetric>> = {
  musique: metric({
    goldScorer: 'exact_match',
    row: textRow.extend({ predicted_supports: z.array(z.int()).nullish(), supports: z.array(z.int()).optional() }),
    settings: noSettings,
    gold: goldOf,
    score(row) {
      const scores = typeof row.prediction === 'string' ? answerScores(row.prediction, row.answers) : missing;
      if (row.supports === undefined) return scoreColumns(scores);
      const supports = musiqueSupportScores((row.predicted_supports ?? []).map(String), row.supports.map(String));
      return {
        ...scoreColumns(scores),
        ...scoreColumns({ exactMatch: supports.exactMatch, f1: supports.f1 }, 'support_'),
      };
    },
  }),
  squad: metric({
    goldScorer: 'exact_match',
    row: textRow,
    settings: noSettings,
    gold: goldOf,
    score: (row) =>
      scoreColumns(typeof row.prediction === 'string' ? squadScores(row.prediction, row.answers) : missing),
  }),
  hotpotqa: metric({
    goldScorer: 'exact_match',
    row: textRow.extend({ predicted_supports: facts.nullish(), supports: facts.optional() }),
    settings: noSettings,
    gold: goldOf,
    score(row) {
      const scores = typeof row.prediction === 'string' ? hotpotqaScores(row.prediction, row.answers) : missingParts;
      const supports = hotpotqaFacts(row);
      if (supports === undefined) return scoreColumns(scores);
      return { ...scoreColumns(scores), ...scoreColumns(supports, 'support_'), ...jointColumns([scores, supports]) };
    },
  }),
  '2wiki': metric({
    goldScorer: 'exact_match',
    row: textRow.extend({
      predicted_supports: facts.nullish(),
      supports: facts.optional(),
      predicted_evidences: triples.nullish(),
      evidences: goldTriples.optional(),
    }),
    settings: noSettings,
    gold: goldOf,
    score(row) {
      const scores = typeof row.prediction === 'string' ? hotpotqaScores(row.prediction, row.answers) : missingParts;
      const supports = twoWikiFacts(row);
      const evidences = twoWikiEvidences(row);
      return {
        ...scoreColumns(scores),
        ...(supports === undefined ? {} : scoreColumns(supports, 'support_')),
        ...(evidences === undefined ? {} : scoreColumns(evidences, 'evidence_')),
        ...(supports === undefined || evidences === undefined ? {} : jointColumns([scores, supports, evidences])),
      };
    },
  }),
  substring: metric({
    goldScorer: 'substring',
    row: textRow,
    settings: settableScorers.substring.settings.omit({ weight: true }),
    gold: goldOf,
    score: (row, settings) => ({
      substring:
        typeof row.prediction === 'string'
          ? substringMatch(row.prediction, row.answers, {
              wholeWords: settings.whole_words,
              maxWords: settings.max_words,
            })
          : 0,
    }),
  }),
  numeric: metric({
    goldScorer: 'numeric',
    row: z.object({ prediction: number.nullish(), answers: z.array(number).min(1, 'is empty; give the gold number') }),
    settings: settableScorers.numeric.settings.omit({ weight: true }),
    gold: (row) => row.answers.map(textOf),
    score: (row, { absolute_tolerance: absoluteTolerance, relative_tolerance: relativeTolerance, unit }) => ({
      numeric:
        row.prediction === null || row.prediction === undefined
          ? 0
          : numericMatch(textOf(row.prediction), row.answers.map(textOf), {
              absoluteTolerance,
              relativeTolerance,
              unit,
            }),
    }),
  }),
  choice: metric({
    goldScorer: 'choice',
    row: textRow,
    settings: settableScorers.choice.settings.omit({ weight: true }),
    gold: goldOf,
    score: (row, { options }) => ({
      choice: typeof row.prediction === 'string' ? choiceMatch(row.prediction, row.answers, options) : 0,
    }),
  }),
  date: metric({
    goldScorer: 'date',
    row: z.object({ prediction: number.nullish(), answers: z.array(number).min(1, 'is empty; give the gold date') }),
    settings: settableScorers.date.settings.omit({ weight: true }),
    dayFirst: (settings) => settings.day_first,
    gold: (row) => row.answers.map(textOf),
    score: (row, { precision, day_first: dayFirst }) => ({
      date:
        row.prediction === null || row.prediction === undefined
          ? 0
          : dateMatch(textOf(row.prediction), row.answers.map(textOf), { precision, dayFirst }),
    }),
  }),
  iou: metric({
    goldScorer: 'iou',
    row: z.object({
      prediction: interval.nullish(),
      answers: z.array(interval).min(1, 'is empty; give the gold interval'),
    }),
    settings: settableScorers.iou.settings.omit({ weight: true }),
    gold: (row) => row.answers.map(intervalText),
    score(row, { threshold }) {
      if (row.prediction === null || row.prediction === undefined) return { iou: 0 };
      const value = intervalIou(intervalText(row.prediction), row.answers.map(intervalText));
      return { iou: value < threshold ? 0 : value };
    },
  }),
  set_f1: metric({
    goldScorer: 'set_f1',
    row: z.object({
      prediction: z.union([z.string(), z.array(z.string())]).nullish(),
      answers: z
        .array(z.union([z.string(), z.array(z.string()).min(1)]))
        .min(1, 'is empty; give the elements of the gold set'),
    }),
    settings: settableScorers.set_f1.settings.omit({ weight: true }),
    gold: (row) => row.answers.flat(),
    score(row, { separator }) {
      const { prediction: said } = row;
      if (said === null || said === undefined) return scoreColumns(missingParts);
      const elements = typeof said === 'string' ? splitElements(said, separator) : said;
      const gold = row.answers.map((aliases) => (typeof aliases === 'string' ? [aliases] : aliases));
      return scoreColumns(setScores(elements, gold));
    },
  }),
};
