import { z } from 'zod';
import { isRowMetric, rowMetricNames } from '#answer/rows/metric-help.ts';
import { rowMetrics, type Columns, type ScoredRow } from '#answer/rows/row-metrics.ts';
import { parseJsonAt } from '#platform/files/parse-json.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { suggest } from '#platform/runtime/suggest.ts';

export interface Line {
  readonly text: string;
  readonly number: number;
}

export interface ScoreRowsOptions {
  readonly metric: string;
  /** Settings of the metric as JSON; empty is the defaults. */
  readonly settings: string;
  /** Name of the input in messages. */
  readonly source: string;
  /** What a malformed row does: end it, or be left out and counted. */
  readonly onBadRow: 'stop' | 'skip';
}

/** What was scored so far. */
export interface ScoreTally {
  readonly rows: number;
  readonly skipped: number;
  /** `FILE:LINE: field: what` of the first row that was skipped. */
  readonly firstSkipped: string | undefined;
  /** Scored 0, since there was nothing to score. */
  readonly withoutPrediction: number;
  /** Means by column, over the rows that have it. */
  readonly columns: ReadonlyMap<string, { readonly mean: number; readonly rows: number }>;
}

/** Rows that a metric can read begin with these; what else is in them is left alone. */
const envelope = z.looseObject({ id: z.union([z.string().min(1), z.number()]) });

/**
 * Scores JSONL rows one at a time and in order: a row of `{id, prediction, answers, …}` becomes the text of
 * `{id, exact_match, f1, …}`. Holds one row. A prediction that is missing or null scores 0; everything else that is missing is an
 * error `FILE:LINE: field: what`.
 */
export function createRowScorer(options: ScoreRowsOptions): {
  scoreLines(lines: AsyncIterable<Line>): AsyncGenerator<string, void, undefined>;
  /** Counts a row that cannot even be read, or throws it, as `onBadRow` says. */
  refuse(error: Error): void;
  tally(): ScoreTally;
} {
  const score = openMetric(options);
  const sums = new Map<string, { sum: number; rows: number }>();
  let rows = 0;
  let skipped = 0;
  let firstSkipped: string | undefined;
  let withoutPrediction = 0;

  function count(columns: Columns): void {
    for (const [name, value] of Object.entries(columns)) {
      const entry = sums.get(name);
      if (entry === undefined) {
        sums.set(name, { sum: value, rows: 1 });
      } else {
        entry.sum += value;
        entry.rows += 1;
      }
    }
  }

  function refuse(error: Error): void {
    if (options.onBadRow === 'stop') throw error;
    skipped += 1;
    firstSkipped ??= error.message;
  }

  return {
    refuse,
    async *scoreLines(lines) {
      for await (const { text, number } of lines) {
        if (text.trim() === '') continue;
        let scored: ReturnType<typeof scoreRow>;
        try {
          scored = scoreRow(text, `${options.source}:${number}`, score);
        } catch (thrown) {
          const error = errorFrom(thrown);
          if (error.code !== 'invalid_argument') throw error;
          refuse(error);
          continue;
        }
        rows += 1;
        if (!scored.predicted) withoutPrediction += 1;
        count(scored.columns);
        yield JSON.stringify({ id: scored.id, ...scored.columns });
      }
      if (rows === 0) {
        const why = firstSkipped === undefined ? 'holds no row' : `no row could be scored; the first: ${firstSkipped}`;
        throw new TerminalError(
          'invalid_argument',
          `${options.source}: ${why}; expected JSON lines {"id", "prediction", "answers"}`,
        );
      }
    },
    tally: () => ({
      rows,
      skipped,
      firstSkipped,
      withoutPrediction,
      columns: new Map([...sums].map(([name, { sum, rows: of }]) => [name, { mean: sum / of, rows: of }])),
    }),
  };
}

function openMetric({ metric, settings }: ScoreRowsOptions): (row: unknown) => ScoredRow {
  if (!isRowMetric(metric)) {
    const meant = suggest(metric, rowMetricNames);
    const help = meant === undefined ? `metrics: ${rowMetricNames.join(', ')}` : `did you mean ${meant}?`;
    throw new TerminalError('invalid_argument', `--metric: there is no metric '${metric}'; ${help}`);
  }
  const found = rowMetrics[metric];
  let value: unknown;
  try {
    value = settings === '' ? {} : JSON.parse(settings);
  } catch (cause) {
    throw new TerminalError('invalid_argument', `--settings: not JSON: ${errorFrom(cause).message}`, { cause });
  }
  try {
    return found.open(value);
  } catch (thrown) {
    if (!(thrown instanceof z.ZodError)) throw thrown;
    const known = found.settings.length === 0 ? `${metric} has none` : `${metric} has ${found.settings.join(', ')}`;
    throw new TerminalError('invalid_argument', `--settings: ${firstIssue(thrown)}; ${known}`, { cause: thrown });
  }
}

function scoreRow(
  text: string,
  place: string,
  score: (row: unknown) => ScoredRow,
): { readonly id: string | number; readonly columns: Columns; readonly predicted: boolean } {
  const value = parseJsonAt(text, place);
  try {
    const row = envelope.parse(value, { reportInput: true });
    const scored = score(row);
    const problem = scored.goldProblem;
    if (problem !== undefined) {
      throw new TerminalError('invalid_argument', `${place}: ${problem.field}: ${problem.message}`);
    }
    const { prediction } = row;
    return { id: row.id, columns: scored.columns(), predicted: prediction !== undefined && prediction !== null };
  } catch (thrown) {
    if (!(thrown instanceof z.ZodError)) throw thrown;
    throw new TerminalError('invalid_argument', `${place}: ${firstIssue(thrown)}`, { cause: thrown });
  }
}

/** `answers: is missing`, `answers.0: expected string, received number`. */
function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return 'malformed';
  const field = issue.path.length === 0 ? 'row' : issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') return `unknown key ${issue.keys.join(', ')}`;
  if (issue.code === 'invalid_type' && issue.input === undefined && issue.path.length > 0) {
    return `${field}: is missing; expected ${issue.expected}`;
  }
  return `${field}: ${issue.message.replace(/^Invalid input: /, '')}`;
}
