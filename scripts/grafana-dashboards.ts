/**
 * Writes the dashboards that Grafana loads (deploy/grafana/dashboards) from what a person reads and edits (deploy/grafana/source): one
 * question each, panels of queries. `grafana-dashboards.ts DIRECTORY`.
 */
import { globSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

const querySchema = z.strictObject({
  expr: z.string().min(1),
  legend: z.string().optional(),
  /** What a run must have for it to give data, where not every run has it. */
  needs: z.string().optional(),
});

export const dashboardSchema = z.strictObject({
  title: z.string(),
  uid: z.string().regex(/^gradus-[a-z]+$/),
  /** With a choice of runs, as `$run`. */
  of: z.literal('runs').optional(),
  panels: z.array(
    z.strictObject({
      title: z.string(),
      help: z.string().optional(),
      /** Of Grafana: https://grafana.com/docs/grafana/latest/panels-visualizations/configure-standard-options/#unit */
      unit: z.enum(['s', 'bytes', 'percentunit', 'short']).default('short'),
      kind: z.enum(['timeseries', 'table']).default('timeseries'),
      queries: z.array(querySchema).min(1),
    }),
  ),
});

export type DashboardSource = z.infer<typeof dashboardSchema>;

const datasource = { type: 'prometheus', uid: 'prometheus' };
const columns = 2;
const width = 24 / columns;
const height = 8;

function panel({ title, help, unit, kind, queries }: DashboardSource['panels'][number], index: number) {
  return {
    id: index + 1,
    title,
    type: kind,
    ...(help !== undefined && { description: help }),
    datasource,
    gridPos: { x: (index % columns) * width, y: Math.floor(index / columns) * height, w: width, h: height },
    fieldConfig: { defaults: { unit, min: unit === 'percentunit' ? 0 : undefined }, overrides: [] },
    targets: queries.map(({ expr, legend }, target) => ({
      refId: String.fromCharCode('A'.charCodeAt(0) + target),
      datasource,
      expr,
      ...(legend !== undefined && { legendFormat: legend }),
      ...(kind === 'table' && { instant: true, format: 'table' }),
    })),
  };
}

export function dashboard({ title, uid, of, panels }: DashboardSource) {
  const runs = {
    name: 'run',
    label: 'Run',
    type: 'query',
    datasource,
    query: { query: 'label_values(gradus_run_info, run)', refId: 'run' },
    refresh: 2,
    includeAll: true,
    multi: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  };
  return {
    uid,
    title,
    tags: ['gradus'],
    editable: false,
    schemaVersion: 38,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    links: [
      { type: 'dashboards', tags: ['gradus'], title: 'Gradus', asDropdown: true, keepTime: true, includeVars: true },
    ],
    templating: { list: of === 'runs' ? [runs] : [] },
    panels: panels.map(panel),
  };
}

export function dashboardSources(): { readonly name: string; readonly source: DashboardSource }[] {
  const paths = globSync(join(import.meta.dirname, '../deploy/grafana/source/*.yaml')).toSorted();
  return paths.map((path) => ({
    name: basename(path, '.yaml'),
    source: dashboardSchema.parse(parse(readFileSync(path, 'utf8'))),
  }));
}

if (import.meta.main) {
  const [directory = 'deploy/grafana/dashboards'] = process.argv.slice(2);
  await mkdir(directory, { recursive: true });
  for (const { name, source } of dashboardSources())
    await writeFile(join(directory, `${name}.json`), `${JSON.stringify(dashboard(source), null, 2)}\n`);
}
