import type { Histogram, Metrics } from '#platform/telemetry/metrics.ts';

/** Tenths of a score. */
const ratioBuckets: readonly number[] = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

/** The label's values are names of the registry and of the config: a closed set. */
export function componentHistogram(metrics: Metrics): Histogram<'scorer'> {
  return metrics.histogram('gradus_reward_component_ratio', 'Components given, 0..1.', ratioBuckets, ['scorer']);
}
