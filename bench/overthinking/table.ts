import { z } from 'zod';

const share = z.number().min(0).max(1);

/** What one policy did with one budget of thought. */
export const thoughtRow = z.strictObject({
  name: z.string(),
  rollouts: z.strictObject({ n: z.number(), asked: z.number() }),
  /** With its 95 % interval. */
  accuracy: z.strictObject({ value: share, low: share, high: share }),
  attempted: share,
  wrong: share,
  /** Mean of a rollout, as `searches`. */
  tokens: z.number(),
  searches: z.number(),
  /** Share of the searches. */
  filtered: share,
  /** Searches whose filters exclude every page with a fact. */
  excluding: z.number(),
});
export type ThoughtRow = z.infer<typeof thoughtRow>;

const head = [
  'policy and thought',
  'rollouts',
  'accuracy (95 %)',
  'attempted',
  'wrong attempts',
  'tokens written',
  'searches',
  'with filters',
  'excluding a right page',
];

/** A row of cells for each evaluation below the names of the columns. Pure. */
export function thoughtTable(rows: readonly ThoughtRow[]): readonly (readonly (string | number)[])[] {
  const number = (value: number): string => (100 * value).toFixed(1);
  const percent = (value: number): string => `${number(value)} %`;
  return [
    head,
    ...rows.map(({ name, rollouts, accuracy, attempted, wrong, tokens, searches, filtered, excluding }) => [
      name,
      `${rollouts.n} of ${rollouts.asked}`,
      `${percent(accuracy.value)} (${number(accuracy.low)}..${number(accuracy.high)})`,
      percent(attempted),
      percent(wrong),
      tokens.toFixed(0),
      searches.toFixed(2),
      percent(filtered),
      excluding,
    ]),
  ];
}
