import { metricHelp, type MetricHelp } from '#answer/rows/metric-help.ts';

const indent = ' '.repeat(13);

/** The metrics with what each reads and writes, for help. */
export function describeMetrics(): string {
  const rows = Object.entries<MetricHelp>(metricHelp).map(([name, { about, reads, writes, settings }]) =>
    [
      `  ${name.padEnd(10)} ${about}`,
      ...(reads === '' ? [] : [`${indent}reads: ${reads}`]),
      `${indent}writes: ${writes}`,
      ...(settings.length === 0 ? [] : [`${indent}settings: ${settings.join(', ')}`]),
    ].join('\n'),
  );
  return `
Rows are JSON lines {"id", "prediction", "answers": [..]}; below is what a metric reads in addition.
A prediction that is missing or null scores 0. A gold answer that is missing, or that the metric cannot read, is an error.

Metrics:
${rows.join('\n')}`;
}
