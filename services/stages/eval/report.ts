import { estimateOf, type Estimate } from '../kit/estimate.ts';
import { environmentMeans } from '#rewards/environment-metrics.ts';
import { splitByTags } from '#rewards/metric-names.ts';
import type { ArtefactRow } from '../kit/artefacts.ts';
import type { PlayedRow, PlayedSample } from '../kit/stage-context.ts';
import { gradeMetrics } from './grade-metrics.ts';
import type { PairedReport } from './paired.ts';
import type { EvalStage, Success } from './schema.ts';

/** An eval stage whose success is written out. */
export type DecidedStage = EvalStage & { readonly success: Success };

/** What a report reads of a row that was asked. */
export type ReportedRow = Pick<PlayedRow, 'id' | 'tags' | 'samples'>;

/** What is in no metric: a rollout that infrastructure failed, or one of which a component could not be had. */
export interface AbsentSample {
  readonly id: string;
  readonly sample: number;
  readonly rollout: string;
  /** Null: the whole rollout. */
  readonly component: string | null;
  /** A failure class or `deadline`; of a component why its judge or scorer gave none. */
  readonly reason: string;
  readonly detail: string;
}

/** summary.json of an evaluation. */
export interface EvalReport {
  readonly stage: string;
  readonly rows: number;
  /** Rollouts that were asked for, those that came back, and those that infrastructure failed: the last are in no metric (P2). */
  readonly rollouts: { readonly asked: number; readonly n: number; readonly absent: number };
  /** Why they are absent: failure class, or `deadline`. */
  readonly absences: Readonly<Record<string, number>>;
  /** What was said of the first absence of each reason. */
  readonly absence_examples: Readonly<Record<string, string>>;
  /** All that is absent, one by one, in the order of the rows. */
  readonly absent: readonly AbsentSample[];
  /** How rollouts ended that did not end with an answer. */
  readonly failures: Readonly<Record<string, number>>;
  readonly success: Success;
  /** How the tokens were drawn; temperature 0 takes the likeliest. */
  readonly sampling: EvalStage['sampling'];
  readonly limits: EvalStage['limits'];
  readonly metrics: Readonly<Record<string, Estimate>>;
  /** The same for the rows with each value of a tag, `level=2`; of a tag the values with the most rows. */
  readonly by_tag: Readonly<
    Record<string, { readonly rows: number; readonly metrics: Readonly<Record<string, Estimate>> }>
  >;
  /** Values of tags that are not in `by_tag`. */
  readonly tag_values_left_out: number;
  /** Row by row next to an earlier stage, where `against` names one. */
  readonly paired?: PairedReport;
}

export function reportOf(stage: DecidedStage, rows: readonly ReportedRow[], seed: number): EvalReport {
  const samples = rows.flatMap((row) => row.samples);
  const present = samples.filter(({ absent }) => absent === undefined);
  const tags = [...new Set(rows.flatMap((row) => Object.keys(row.tags)))].sort();
  const { parts, leftOut } = splitByTags(rows, (row) => row.tags, tags);
  return {
    stage: stage.name,
    rows: rows.length,
    rollouts: { asked: samples.length, n: present.length, absent: samples.length - present.length },
    absences: counted(samples.flatMap(({ absent }) => absent ?? [])),
    absence_examples: Object.fromEntries(
      samples
        .toReversed()
        .flatMap(({ absent, absentDetail }) => (absent === undefined ? [] : [[absent, absentDetail] as const])),
    ),
    absent: rows.flatMap(absentSamples),
    failures: counted(present.flatMap(({ failure }) => failure ?? [])),
    success: stage.success,
    sampling: stage.greedy ? { temperature: 0, top_p: 1, top_k: 0 } : stage.sampling,
    limits: stage.limits,
    metrics: metricsOf(stage, rows, seed, ''),
    by_tag: Object.fromEntries(
      [...parts].map(([part, of]) => [part, { rows: of.length, metrics: metricsOf(stage, of, seed, part) }]),
    ),
    tag_values_left_out: leftOut,
  };
}

function absentSamples({ id, samples }: ReportedRow): AbsentSample[] {
  return samples.flatMap(({ rollout, absent, absentDetail, unscored }, sample): AbsentSample[] => {
    const one = { id, sample, rollout };
    if (absent !== undefined) return [{ ...one, component: null, reason: absent, detail: absentDetail }];
    return Object.entries(unscored).map(([component, { reason, detail }]) => ({ ...one, component, reason, detail }));
  });
}

/** Names of what is counted in successes: `avg@n`, and `pass@k` for every k. */
export function successMetrics({ samples, pass_at: counts = defaultPassAt(samples) }: EvalStage): string[] {
  return [`avg@${samples}`, ...counts.map((k) => `pass@${k}`)];
}

/** Of each row the mean over its samples that came back (`avg@n` of every component), then the mean over rows. */
function metricsOf(
  stage: DecidedStage,
  rows: readonly ReportedRow[],
  seed: number,
  part: string,
): Readonly<Record<string, Estimate>> {
  const metrics: Record<string, Estimate> = {};
  const add = (name: string, values: readonly number[]): void => {
    const estimate = estimateOf(values, [seed, stage.name, part, name]);
    if (estimate !== undefined) metrics[name] = estimate;
  };
  const perRow = (value: (sample: PlayedSample) => number | undefined): number[] =>
    rows.flatMap(({ samples }) => meanOf(samples.flatMap((sample) => value(sample) ?? [])) ?? []);
  const names = new Set(rows.flatMap(({ samples }) => samples.flatMap(({ values }) => Object.keys(values))));
  for (const name of [...names].sort())
    add(
      name,
      perRow(({ values }) => values[name]),
    );
  for (const name of [
    ...new Set(rows.flatMap(({ samples }) => samples.flatMap(({ grades }) => Object.keys(grades)))),
  ].sort()) {
    const grades = rows.map(({ samples }) => samples.flatMap((sample) => sample.grades[name] ?? []));
    for (const [metric, estimate] of Object.entries(gradeMetrics(grades, [seed, stage.name, part, name])))
      metrics[`${name}.${metric}`] = estimate;
  }
  const reported = rows.flatMap((row) => row.samples.map(({ environment }) => environment));
  for (const name of Object.keys(environmentMeans(reported).means).sort())
    add(
      `environment.${name}`,
      perRow(({ environment }) => environment[name]),
    );
  add(
    'answered',
    perRow(({ absent, prediction }) => (absent === undefined ? Number(prediction !== undefined) : undefined)),
  );
  add(
    'truncated',
    perRow(({ absent, truncated }) => (absent === undefined ? Number(truncated) : undefined)),
  );
  const successes = rows.map((row) => successesOf(stage, row));
  add(
    `avg@${stage.samples}`,
    successes.flatMap(({ n, c }) => (n === 0 ? [] : [c / n])),
  );
  for (const k of stage.pass_at ?? defaultPassAt(stage.samples))
    add(
      `pass@${k}`,
      successes.flatMap(({ n, c }) => passAt(k, n, c) ?? []),
    );
  return metrics;
}

/** Of a row: samples that have the metric that decides, and successes among them. */
export function successesOf(
  { success }: DecidedStage,
  { samples }: ReportedRow,
): { readonly n: number; readonly c: number } {
  const known = samples.flatMap(({ values }) => values[success.metric] ?? []);
  return { n: known.length, c: known.filter((value) => value >= success.at_least).length };
}

/** The rows for later stages, each with the share of its samples that were a success as tag `pass_rate`, where any came back. */
export function* askedRows(stage: DecidedStage, rows: readonly PlayedRow[]): Generator<ArtefactRow, void, undefined> {
  for (const row of rows) {
    const { id, data, gold } = row;
    // A share that an earlier stage found is not this one's.
    const { pass_rate: _, ...tags } = row.tags;
    const { n, c } = successesOf(stage, row);
    yield { id, data, gold, tags: { ...tags, ...(n > 0 && { pass_rate: String(c / n) }) } };
  }
}

function meanOf(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of [...names].sort()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/**
 * The chance that at least one of k samples is a success, from n of which c are: 1 - C(n-c, k) / C(n, k), unbiased (Chen et al.,
 * arXiv 2107.03374, equation 1). Undefined for n < k.
 */
export function passAt(k: number, n: number, c: number): number | undefined {
  if (n < k) return undefined;
  if (n - c < k) return 1;
  let miss = 1;
  for (let at = n - c + 1; at <= n; at++) miss *= 1 - k / at;
  return 1 - miss;
}

/** Powers of two up to `samples`, and `samples`. */
export function defaultPassAt(samples: number): number[] {
  const all: number[] = [];
  for (let k = 1; k < samples; k *= 2) all.push(k);
  return [...all, samples];
}
