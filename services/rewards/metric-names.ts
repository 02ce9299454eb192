/**
 * Names in metrics.jsonl, the ledger and gates, of evaluations and of training steps. A scorer goes by its own name everywhere.
 *
 *     sampled.exact_match   sampled.exact_match.low   sampled.level=3.exact_match   sampled.environment.moves
 *     sampled.pass@4        sampled.pass@4.low
 *     reward/exact_match                              reward/level=3/exact_match    environment/moves
 */

/** What an evaluation has of every rollout, whatever its environment. */
export const rolloutMetrics = ['answered', 'truncated', 'turns', 'tool_calls', 'model_tokens', 'total_tokens'] as const;

/** The reward as the composition makes it; other names are those of scorers. */
export const rewardMetric = 'reward';

/** `pass@4`: made of several samples of a row. */
export const overSamples = /^[a-z][a-z0-9_]*@[1-9][0-9]*$/;

/** Names that no scorer may have. */
export const reservedNames: ReadonlySet<string> = new Set([
  ...rolloutMetrics,
  rewardMetric,
  'n',
  'absent',
  'unscored',
  'mean',
  'std',
  'low',
  'high',
  'tag_values_left_out',
  'environment_metrics_left_out',
  'environment',
  'detector',
]);

/** Values of a tag that metrics are split by; those with the most rows where there are more. */
export const mostTagValues = 32;

/** How people, and what an evaluation leads with, see an environment. */
export interface Headline {
  /** A scorer's name, or `reward`. Evaluations have its 95 % interval. */
  readonly primaryMetric: string;
  /** Tags of rows by which metrics are split. */
  readonly tags: readonly string[];
}

/** `level=3`, with what has it, the declared tags in their order; a tag's values by number where they are numbers. */
export function splitByTags<Item>(
  items: readonly Item[],
  tagsOf: (item: Item) => Readonly<Record<string, string>>,
  tags: readonly string[],
): { readonly parts: ReadonlyMap<string, readonly Item[]>; readonly leftOut: number } {
  const parts = new Map<string, readonly Item[]>();
  let leftOut = 0;
  for (const tag of tags) {
    const byValue = new Map<string, Item[]>();
    for (const item of items) {
      const value = tagsOf(item)[tag];
      if (value === undefined) continue;
      const known = byValue.get(value);
      if (known === undefined) byValue.set(value, [item]);
      else known.push(item);
    }
    const largest = [...byValue].toSorted(([a, of], [b, others]) => others.length - of.length || inOrder(a, b));
    leftOut += Math.max(0, largest.length - mostTagValues);
    for (const [value, of] of largest.slice(0, mostTagValues).toSorted(([a], [b]) => inOrder(a, b)))
      parts.set(`${tag}=${value}`, of);
  }
  return { parts, leftOut };
}

/** 2 before 10, and texts by their letters. */
export function inOrder(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

const part = /^(sampled|greedy)(?:\.([a-z][a-z0-9_]*=[A-Za-z0-9_-]+))?$/;

/** The sampling mode and the value of a tag that a prefix such as `sampled.level=3` stands for; undefined for any other text. */
export function parsePart(prefix: string): { readonly mode: string; readonly tag: string | undefined } | undefined {
  const [whole, mode, tag] = part.exec(prefix) ?? [];
  return whole === undefined || mode === undefined ? undefined : { mode, tag };
}

/** `sampled`, `sampled.level=3` …: what the metrics of an evaluation are over. */
export function partsOf(metrics: Readonly<Record<string, number>>): string[] {
  return Object.keys(metrics).flatMap((key) => {
    const prefix = key.endsWith('.n') ? key.slice(0, -2) : '';
    return parsePart(prefix) === undefined ? [] : [prefix];
  });
}

/** Of a step: roles that the stage trains, and of which its batch has nothing. */
export const idleRoles = 'roles_idle';
