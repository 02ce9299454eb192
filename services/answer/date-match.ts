import { parseDate, type CalendarDate } from './calendar-date.ts';

export interface DateOptions {
  /** What has to agree; `gold`: everything that the gold date says. */
  readonly precision: 'gold' | 'day' | 'month' | 'year';
  readonly dayFirst?: boolean | undefined;
}

/**
 * 1 when the prediction is a gold date. A prediction that says more than is asked for is right when that part agrees; one
 * that says less is wrong. With `day` or `month`, a gold date that does not say that much is compared as far as it goes.
 */
export function dateMatch(prediction: string, answers: readonly string[], options: DateOptions): 0 | 1 {
  const predicted = parseDate(prediction, options.dayFirst);
  if (predicted.kind === 'refused') return 0;
  return answers.some((answer) => {
    const gold = parseDate(answer, options.dayFirst);
    return gold.kind === 'date' && differingPart(predicted.date, gold.date, options.precision) === undefined;
  })
    ? 1
    : 0;
}

/** The first part of the gold date that is asked for and not the predicted one's; undefined when they agree. */
export function differingPart(
  predicted: CalendarDate,
  gold: CalendarDate,
  precision: DateOptions['precision'],
): 'year' | 'month' | 'day' | undefined {
  if (predicted.year !== gold.year) return 'year';
  if (precision === 'year' || gold.month === undefined) return undefined;
  if (predicted.month !== gold.month) return 'month';
  return precision === 'month' || gold.day === undefined || predicted.day === gold.day ? undefined : 'day';
}
