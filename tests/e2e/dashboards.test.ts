import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { dashboardSources } from '../../scripts/grafana-dashboards.ts';
import { startOtlpCollector } from '../fixtures/otlp-collector.ts';
import { missing, prometheus, startPrometheus } from '../telemetry/prometheus-programs.ts';
import { startGradus, tinyWorkplace } from './gradus-process.ts';

const rules = resolve(import.meta.dirname, '../../deploy/prometheus/rules');
const scripted = resolve(import.meta.dirname, '../../recipes/rollouts-scripted.yaml');
const queries = dashboardSources().flatMap(({ source }) =>
  source.panels.flatMap((panel) =>
    panel.queries.map((query) => ({ where: `${source.title} / ${panel.title}`, ...query })),
  ),
);
const found = z.object({ data: z.object({ result: z.array(z.unknown()) }) });

test.skipIf(prometheus === undefined)(
  `each query of each dashboard gives data of real runs, or says what a run would need${missing({ prometheus })}`,
  async () => {
    const directory = await tinyWorkplace();
    const config = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [join(rules, '*.yaml')],
      scrape_configs: [
        {
          job_name: 'gradus',
          file_sd_configs: [{ files: [join(directory, 'runs/prometheus.json')], refresh_interval: '1s' }],
        },
      ],
    };
    await writeFile(join(directory, 'prometheus.yaml'), JSON.stringify(config));
    const { url } = await startPrometheus(join(directory, 'prometheus.yaml'), join(directory, 'tsdb'));
    using collector = await startOtlpCollector();
    vi.stubEnv('GRADUS_OTLP_ENDPOINT', collector.url);
    onTestFinished(() => void vi.unstubAllEnvs());
    const startSeconds = Date.now() / 1000;
    const set = ['stages.0.until.steps=8', 'fleet.learner.peak_tflops=0.1'].flatMap((each) => ['--set', each]);
    const run = startGradus(directory, 'run', 'tiny.yaml', '--run-id', 'shown', ...set);
    expect(await run.exit(), run.output()).toBe(0);
    // The policy above knows nothing, and searches nothing: a scripted one does.
    const steps = ['--set', 'stages.0.until.steps=3'];
    const searching = startGradus(directory, 'run', scripted, '--run-id', 'searching', ...steps);
    expect(await searching.exit(), searching.output()).toBe(0);
    const endSeconds = Date.now() / 1000;

    /** The series of a run are gone by now: asked for over the whole time. */
    async function seriesOf(expr: string): Promise<number> {
      const asked = expr.replaceAll('$run', '.+');
      const range = new URLSearchParams({
        query: asked,
        start: String(startSeconds),
        end: String(endSeconds),
        step: '1',
      });
      const body: unknown = await (await fetch(`${url}/api/v1/query_range?${range.toString()}`)).json();
      const parsed = found.safeParse(body);
      if (!parsed.success) throw new Error(`${asked}: ${JSON.stringify(body)}`);
      return parsed.data.data.result.length;
    }
    const counted = await Promise.all(queries.map(async (query) => ({ ...query, series: await seriesOf(query.expr) })));
    const empty = counted.filter(({ series, needs }) => series === 0 && needs === undefined);
    expect(empty.map(({ where, expr }) => `${where}: ${expr}`)).toEqual([]);
    const withData = counted.filter(({ series }) => series > 0);
    console.log(`${withData.length} of ${counted.length} queries have data`);
    for (const { where, expr, needs, series } of counted)
      if (series === 0) console.log(`without data, as it needs ${needs}: ${where}: ${expr}`);
  },
);
