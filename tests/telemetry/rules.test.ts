import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { missing, promtool, run } from './prometheus-programs.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = join(root, 'deploy/prometheus');
const text = (path: string) => readFileSync(join(folder, path), 'utf8');
const rulesSchema = z.object({
  groups: z.array(
    z.object({
      rules: z.array(
        z.object({
          alert: z.string().optional(),
          record: z.string().optional(),
          expr: z.string(),
          labels: z.object({ severity: z.enum(['warning', 'critical']) }).optional(),
          annotations: z.object({ summary: z.string(), runbook_url: z.string() }).optional(),
        }),
      ),
    }),
  ),
});
const rules = ['rules/recording.yaml', 'rules/alerts.yaml'].flatMap((path) =>
  rulesSchema.parse(parse(text(path))).groups.flatMap((group) => group.rules),
);
const alerts = rules.flatMap((rule) => (rule.alert === undefined ? [] : [{ ...rule, alert: rule.alert }]));

test.skipIf(promtool === undefined)(`promtool accepts configuration and rules${missing({ promtool })}`, async () => {
  const { stdout } = await run(promtool ?? '', ['check', 'rules', join(folder, 'rules/alerts.yaml')]);
  expect(stdout).toContain(`SUCCESS: ${alerts.length} rules found`);
  await run(promtool ?? '', ['check', 'config', join(folder, 'prometheus.yaml')]);
});

test.skipIf(promtool === undefined)(
  `each alert fires when it should, and not before: promtool's unit tests${missing({ promtool })}`,
  async () => {
    await run(promtool ?? '', ['test', 'rules', join(folder, 'tests/alerts.yaml')]);
    const tests = text('tests/alerts.yaml');
    for (const { alert } of alerts) expect(tests).toContain(`alertname: ${alert}\n        exp_alerts:\n`);
  },
);

test('each alert has an entry in the runbook', () => {
  const runbook = readFileSync(join(root, 'docs/runbook.md'), 'utf8');
  const anchors = [...runbook.matchAll(/^## (.+)$/gm)].map(
    ([, title = '']) => `docs/runbook.md#${title.toLowerCase().replaceAll(' ', '-')}`,
  );
  const without = alerts.filter(({ annotations }) => !anchors.includes(annotations?.runbook_url ?? ''));
  expect(without.map(({ alert }) => alert)).toEqual([]);
  for (const { alert } of alerts) expect(runbook).toContain(`\`${alert}\``);
});

test('rules ask for metrics of the vocabulary, and for series that rules record', () => {
  const { metrics } = z
    .object({ metrics: z.array(z.object({ name: z.string() })) })
    .parse(parse(readFileSync(join(root, 'deploy/telemetry/metrics.yaml'), 'utf8')));
  const known = new Set([...metrics.map(({ name }) => name), ...rules.map(({ record }) => record)]);
  const asked = rules.flatMap(({ expr }) => [...expr.matchAll(/gradus[_:][a-z0-9_:]+/g)].map(([name]) => name));
  expect(asked.length).toBeGreaterThan(20);
  expect(asked.filter((name) => !known.has(name))).toEqual([]);
});
