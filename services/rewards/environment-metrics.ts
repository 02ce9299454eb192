/** Metrics that an episode reports of itself: numbers that people look at and gates may read, and nothing is scored by. */

/** Of one episode, and of an evaluation or a step together. */
export const mostEnvironmentMetrics = 32;

/** What a name has to be: it becomes a part of a metric's name. */
export const environmentMetricName = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

type Metrics = Readonly<Record<string, number>>;

/** What is wrong with metrics of an episode, with the name and what to do; undefined when nothing is. */
export function environmentMetricsProblem(metrics: Metrics): string | undefined {
  const names = Object.keys(metrics);
  if (names.length > mostEnvironmentMetrics)
    return `metrics: ${names.length} of them; at most ${mostEnvironmentMetrics}: keep those that people look at`;
  for (const [name, value] of Object.entries(metrics)) {
    if (!environmentMetricName.test(name))
      return `metrics: the name ${JSON.stringify(name.slice(0, 80))} must be a letter, then letters, digits and _, at most 64`;
    if (!Number.isFinite(value)) return `metrics.${name}: ${String(value)}; it must be a finite number`;
  }
  return undefined;
}

/**
 * Means over the episodes that reported a metric, by name. Names may differ from row to row: those that most episodes reported are kept,
 * and the number of the others is reported.
 */
export function environmentMeans(episodes: readonly Metrics[]): { readonly means: Metrics; readonly leftOut: number } {
  const values = new Map<string, { sum: number; count: number }>();
  for (const metrics of episodes)
    for (const [name, value] of Object.entries(metrics)) {
      const known = values.get(name) ?? { sum: 0, count: 0 };
      known.sum += value;
      known.count += 1;
      values.set(name, known);
    }
  const kept = [...values]
    .toSorted(([a, { count }], [b, { count: others }]) => others - count || (a < b ? -1 : 1))
    .slice(0, mostEnvironmentMetrics);
  return {
    means: Object.fromEntries(kept.map(([name, { sum, count }]) => [name, sum / count])),
    leftOut: values.size - kept.length,
  };
}
