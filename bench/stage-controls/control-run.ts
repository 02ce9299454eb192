import { z } from 'zod';
import type { RunSummary } from '#run/directory/run-summary.ts';
import { pairedTest } from '../../services/stages/eval/paired.ts';

const share = z.number().min(0).max(1);

/** What came of one run: of the recipe as it is (`whole`), or of a control. */
export const controlRun = z.strictObject({
  run: z.string(),
  seed: z.number(),
  settings: z.array(z.string()),
  /** Of each stage that trains. */
  steps: z.array(z.number()),
  rollouts: z.number(),
  wallSeconds: z.number(),
  /** Of the last evaluation: the primary metric, with its 95 % interval, and by tag. */
  value: share,
  interval: z.strictObject({ low: share, high: share }),
  byTag: z.record(z.string(), share),
  /** The rows of the last evaluation next to those of the whole recipe of the same seed: better and worse here. */
  paired: z
    .strictObject({
      rows: z.number(),
      better: z.number(),
      worse: z.number(),
      difference: z.number(),
      p: share,
    })
    .nullable(),
});
export type ControlRun = z.infer<typeof controlRun>;

/** By row id, the share of its samples that were a success. */
type Shares = ReadonlyMap<string, number>;

/** `whole`: the rows of the whole recipe, null for that run itself. Throws where the run did not end with an evaluation. Pure. */
export function controlRunOf(
  summary: RunSummary,
  { run, settings }: { readonly run: string; readonly settings: readonly string[] },
  { whole, here }: { readonly whole: Shares | null; readonly here: Shares },
): ControlRun {
  const metric = summary.primaryMetric;
  const detail = summary.stages.at(-1)?.evalDetail['after'];
  const scores = detail?.greedy ?? detail?.sampled;
  const value = scores?.metrics[metric];
  if (summary.state !== 'finished' || scores === undefined || value === undefined || scores.interval === null)
    throw new Error(
      `${summary.run}: is ${summary.state} and its last stage has no ${metric}; a control ends with a stage of kind eval`,
    );
  const pairs = [...here].flatMap(([id, after]) => {
    const before = whole?.get(id);
    return before === undefined ? [] : [{ before, after }];
  });
  return {
    run,
    seed: summary.seed,
    settings: [...settings],
    steps: summary.stages.filter(({ kind }) => kind !== 'eval').map(({ steps }) => steps),
    rollouts: summary.rollouts.published,
    wallSeconds: summary.wallSeconds,
    value,
    interval: { low: Math.max(0, scores.interval.low), high: scores.interval.high },
    byTag: Object.fromEntries(Object.entries(scores.byTag).map(([tag, { metrics }]) => [tag, metrics[metric] ?? 0])),
    paired: whole === null ? null : pairedTest(pairs),
  };
}
