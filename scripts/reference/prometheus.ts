/** The reference page of Prometheus metrics, from their vocabulary. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { repositoryRoot } from '../../services/platform/repository.ts';

const metric = z.object({ name: z.string(), type: z.string(), labels: z.array(z.string()), help: z.string() });
const vocabulary = z.object({ metrics: z.array(metric) });

const head = `# Prometheus metrics

Generated from \`deploy/telemetry/metrics.yaml\`. Every service serves them over HTTP under \`/metrics\` at its metrics address
(\`--metrics\`; \`gradus status\` prints the addresses). [Watch a run](../how-to/watch-a-run.md) shows how Prometheus finds them.

Names are \`gradus_<noun>_<unit>[_total]\`; counters, and only counters, end in \`_total\`. Seconds and bytes are the units that
names give, and a \`_ratio\` is between 0 and 1. A histogram has the series \`_bucket\`, \`_sum\` and \`_count\`. Labels come from
closed sets: none is an id. Processes add the usual \`process_*\` and \`nodejs_*\` or \`python_*\` of their client.
`;

/** The comments of the file are its sections: a service each. */
export function describePrometheus(): string {
  const text = readFileSync(join(repositoryRoot, 'deploy/telemetry/metrics.yaml'), 'utf8');
  const [, ...sections] = text.split(/^ {2}# (.+)$/mu);
  const pages: string[] = [];
  for (let index = 0; index < sections.length; index += 2) {
    const { metrics } = vocabulary.parse(parse(`metrics:\n${sections[index + 1] ?? ''}`));
    const rows = metrics.map(
      ({ name, type, labels, help }) =>
        `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help.replaceAll('|', '\\|')} |`,
    );
    pages.push(
      [`## ${sections[index] ?? ''}`, '', '| name | type | labels | meaning |', '|---|---|---|---|', ...rows, ''].join(
        '\n',
      ),
    );
  }
  return [head, ...pages].join('\n');
}
