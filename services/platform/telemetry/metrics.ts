/**
 * The metrics of one process. Names are `gradus_<noun>_<unit>[_total]`, labels come from closed sets and are never ids
 * (an id as a label grows the process without bound). Numbers that are not finite are counted and not shown. Every name is declared in `deploy/telemetry/metrics.yaml`.
 */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

export type { Counter, Gauge, Histogram } from 'prom-client';

/** Seconds, from 1 ms to 2 minutes: fits an RPC as well as a rollout. */
export const durationBuckets: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
];

export interface Metrics {
  readonly registry: Registry;
  /** Asking twice for the same name gives the same metric. */
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  /** With `read` the value is asked for when the metrics are rendered; for gauges without labels. */
  gauge<L extends string = never>(name: string, help: string, labels?: readonly L[], read?: () => number): Gauge<L>;
  histogram<L extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly L[],
  ): Histogram<L>;
  /** The Prometheus text format. */
  render(): Promise<string>;
}

const namePattern = /^gradus(_[a-z0-9]+){2,}$/;

function checkName(name: string, total: boolean): void {
  if (!namePattern.test(name)) {
    throw new TypeError(`metric '${name}' must be named gradus_<noun>_<unit>[_total], lower case`);
  }
  if (name.endsWith('_total') !== total) {
    throw new TypeError(`metric '${name}': counters, and only counters, end in _total`);
  }
}

/** `processMetrics` adds Node's own (memory, event loop lag, garbage collection). */
export function createMetrics(options?: { readonly processMetrics?: boolean }): Metrics {
  const registry = new Registry();
  if (options?.processMetrics === true) collectDefaultMetrics({ register: registry });

  type Known = { kind: 'counter' | 'gauge' | 'histogram'; labels: string };
  const known = new Map<string, Known>();

  /** True when the metric exists already; throws when it exists as something else. */
  function declare(name: string, kind: Known['kind'], labels: readonly string[]): boolean {
    checkName(name, kind === 'counter');
    const joined = labels.join(',');
    const before = known.get(name);
    if (before === undefined) {
      known.set(name, { kind, labels: joined });
      return false;
    }
    if (before.kind !== kind || before.labels !== joined) {
      throw new TypeError(
        `metric '${name}' is declared twice: as ${before.kind}(${before.labels}) and as ${kind}(${joined})`,
      );
    }
    return true;
  }

  /** A value is the last argument; labels may come before it. What is shown stays as it was. */
  function refuseNonFinite(name: string, write: (...values: never[]) => void): (...values: unknown[]) => void {
    return (...values) => {
      const value = values.at(-1);
      if (typeof value === 'number' && !Number.isFinite(value)) refused.inc({ metric: name });
      else Reflect.apply(write, undefined, values);
    };
  }

  const metrics: Metrics = {
    registry,
    counter<L extends string = never>(name: string, help: string, labels: readonly L[] = []): Counter<L> {
      // The registry erases label types; `declare` has just checked that they are the same ones.
      if (declare(name, 'counter', labels)) return registry.getSingleMetric(name) as Counter<L>;
      return new Counter<L>({ name, help, labelNames: labels, registers: [registry] });
    },
    gauge<L extends string = never>(
      name: string,
      help: string,
      labels: readonly L[] = [],
      read?: () => number,
    ): Gauge<L> {
      if (declare(name, 'gauge', labels)) return registry.getSingleMetric(name) as Gauge<L>;
      const gauge: Gauge<L> = new Gauge<L>({
        name,
        help,
        labelNames: labels,
        registers: [registry],
        ...(read === undefined ? {} : { collect: (): void => gauge.set(read()) }),
      });
      gauge.set = refuseNonFinite(name, gauge.set.bind(gauge));
      return gauge;
    },
    histogram<L extends string = never>(
      name: string,
      help: string,
      buckets: readonly number[],
      labels: readonly L[] = [],
    ): Histogram<L> {
      if (declare(name, 'histogram', labels)) return registry.getSingleMetric(name) as Histogram<L>;
      const histogram = new Histogram<L>({
        name,
        help,
        labelNames: labels,
        buckets: [...buckets],
        registers: [registry],
      });
      histogram.observe = refuseNonFinite(name, histogram.observe.bind(histogram));
      return histogram;
    },
    render: () => registry.metrics(),
  };
  const refused = metrics.counter(
    'gradus_metric_refused_total',
    'Values that are not finite, and so are not shown, by the metric that they were meant for.',
    ['metric'],
  );
  return metrics;
}
