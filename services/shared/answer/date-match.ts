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
    return gold.kind === 'date' && agrees(predicted.date, gold.date, options.precision);
  })
    ? 1
    : 0;
}

function agrees(predicted: CalendarDate, gold: CalendarDate, precision: DateOptions['precision']): boolean {
  if (predicted.year !== gold.year) return false;
  if (precision === 'year' || gold.month === undefined) return true;
  if (predicted.month !== gold.month) return false;
  return precision === 'month' || gold.day === undefined || predicted.day === gold.day;
}
