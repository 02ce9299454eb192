import { mostEnvironmentMetrics } from '#rewards/environment-metrics.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';

type Means = Readonly<Record<string, number>>;

/** What a step or an evaluation has of its environment: `environment/moves` or `sampled.environment.moves`, else of greedy ones, by name. */
export function environmentMeansIn(metrics: Means): Means {
  const under = (prefix: string): [string, number][] =>
    Object.entries(metrics).flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value] as [string, number]] : [],
    );
  const found = ['environment/', 'sampled.environment.', 'greedy.environment.'].map(under);
  return Object.fromEntries(found.find((entries) => entries.length > 0) ?? []);
}

/**
 * Series of what environments report. They choose the names, so the number of names is bounded for as long as the process lives: the first
 * 32 have a series each per purpose, and every later name is counted once each time that it comes.
 */
export function createEnvironmentSeries(metrics: Metrics) {
  const mean = metrics.gauge(
    'gradus_environment_metric_mean',
    'Mean of what episodes of the newest training step or evaluation report, by its name; the first 32 names of a coordinator.',
    ['purpose', 'metric'],
  );
  const leftOut = metrics.counter(
    'gradus_environment_metrics_left_out_total',
    'Means that have no series in gradus_environment_metric_mean, because 32 other names came first.',
  );
  const names = new Set<string>();
  const shown = { train: new Set<string>(), eval: new Set<string>() };
  return (purpose: 'train' | 'eval', means: Means): void => {
    // What is reported no longer is not shown as if it were.
    for (const metric of shown[purpose]) if (!(metric in means)) mean.remove({ purpose, metric });
    shown[purpose].clear();
    for (const [metric, value] of Object.entries(means)) {
      if (!names.has(metric) && names.size >= mostEnvironmentMetrics) {
        leftOut.inc();
        continue;
      }
      names.add(metric);
      shown[purpose].add(metric);
      mean.set({ purpose, metric }, value);
    }
  };
}
