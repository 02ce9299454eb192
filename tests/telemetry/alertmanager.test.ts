import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import {
  alertmanager,
  missing,
  prometheus,
  promtool,
  query,
  run,
  startAlertmanager,
  startPrometheus,
} from './prometheus-programs.ts';
import { until } from '../until.ts';

const folder = resolve(import.meta.dirname, '../../deploy/prometheus');

const day = 86_400;

/** A fleet in trouble: each series an hour ago, and now. */
const series: readonly { readonly name: string; readonly before: number; readonly now: number }[] = [
  { name: 'gradus_reward_mean{run="collapse",stage="one"}', before: 0.8, now: 0.1 },
  { name: 'gradus_reward_zero_std_ratio{run="same",stage="one"}', before: 0.97, now: 0.99 },
  { name: 'gradus_staleness_versions{run="stale",stage="one",statistic="mean"}', before: 2, now: 2 },
  { name: 'gradus_staleness_bound_versions{run="stale",stage="one"}', before: 2, now: 2 },
  { name: 'gradus_stream_messages{stream="DEAD_LETTERS"}', before: 0, now: 3 },
  { name: 'gradus_policy_engines_up', before: 2, now: 1 },
  { name: 'gradus_policy_queue_requests', before: 0, now: 7 },
  { name: 'gradus_queue_tasks{purpose="train",state="waiting"}', before: 1, now: 90 },
  { name: 'gradus_queue_tasks{purpose="train",state="held"}', before: 4, now: 4 },
  { name: 'gradus_run_disk_free_bytes{run="full",stage="one"}', before: 50, now: 4 },
  { name: 'gradus_run_disk_size_bytes{run="full",stage="one"}', before: 100, now: 100 },
  { name: 'gradus_stream_bytes{stream="LEDGER"}', before: 10, now: 95 },
  { name: 'gradus_stream_limit_bytes{stream="LEDGER"}', before: 100, now: 100 },
  { name: 'gradus_mismatch_kl_nats{run="apart",stage="one"}', before: 0.001, now: 0.4 },
  { name: 'gradus_runs_diverging', before: 0, now: 1 },
];
/** Unix times, relative to the start of the test. */
const times = [
  { name: 'gradus_run_progress_timestamp_seconds{run="stuck",stage="one"}', offset: -2 * 3600 },
  { name: 'gradus_certificate_expiry_seconds', offset: 3 * day },
];

const historySeconds = 3600;
/** Samples that are newer are scraped. */
const gapSeconds = 60;
const stepSeconds = 60;

/** What was before, in OpenMetrics with the labels that scraping adds. */
function history(startSeconds: number): string {
  const lines: string[] = [];
  const labelled = (name: string) =>
    name.includes('{')
      ? name.replace('{', '{instance="one",job="gradus",service="test",')
      : `${name}{instance="one",job="gradus",service="test"}`;
  const stamps = Array.from(
    { length: (historySeconds - gapSeconds) / stepSeconds },
    (_, step) => startSeconds - historySeconds + step * stepSeconds,
  );
  const of = (name: string) => name.split('{')[0] ?? '';
  for (const name of new Set([...series, ...times].map((each) => of(each.name)))) {
    lines.push(`# TYPE ${name} gauge`);
    for (const each of series) {
      if (of(each.name) !== name) continue;
      // From the middle on it gets worse, so that a slope has one and a best has been.
      for (const [index, stamp] of stamps.entries()) {
        const share = Math.max(0, (2 * index) / stamps.length - 1);
        lines.push(`${labelled(each.name)} ${each.before + share * (each.now - each.before)} ${stamp}`);
      }
    }
  }
  return `${lines.join('\n')}\n# EOF\n`;
}

/** Serves the present to Prometheus, and takes what Alertmanager sends to operators. */
async function startFleetInTrouble(startSeconds: number) {
  const told = new Set<string>();
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      if (request.url === '/metrics') {
        response.setHeader('content-type', 'text/plain; version=0.0.4');
        const present = [
          ...series.map(({ name, now }) => `${name} ${now}`),
          ...times.map(({ name, offset }) => `${name} ${startSeconds + offset}`),
        ];
        response.end(`${present.join('\n')}\n`);
        return;
      }
      const { alerts } = z
        .object({ alerts: z.array(z.object({ labels: z.record(z.string(), z.string()) })) })
        .parse(JSON.parse(body));
      for (const { labels } of alerts) told.add(labels['alertname'] ?? '');
      response.end();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { address: `127.0.0.1:${port}`, told };
}

const programs = { prometheus, promtool, alertmanager };

test.skipIf(Object.values(programs).includes(undefined))(
  `each alert reaches operators through Prometheus and Alertmanager, with series replayed over an hour${missing(programs)}`,
  async () => {
    const startSeconds = Math.floor(Date.now() / 1000);
    const directory = await temporaryDirectory('gradus-alerts-');
    const storage = join(directory, 'tsdb');
    await mkdir(storage);
    const fleet = await startFleetInTrouble(startSeconds);
    await writeFile(join(directory, 'history'), history(startSeconds));
    await run(promtool ?? '', ['tsdb', 'create-blocks-from', 'openmetrics', join(directory, 'history'), storage]);

    // As shipped, but for where operators are and for how long what groups is waited for.
    const shipped = parse(await readFile(join(folder, 'alertmanager.yaml'), 'utf8'));
    const receivers = [{ name: 'operators', webhook_configs: [{ url: `http://${fleet.address}/alerts` }] }];
    const route = { ...shipped.route, group_wait: '1s', group_interval: '1s' };
    await writeFile(join(directory, 'alertmanager.yaml'), stringify({ ...shipped, route, receivers }));
    const { url: manager } = await startAlertmanager(join(directory, 'alertmanager.yaml'), join(directory, 'alerts'));

    // As shipped, but that what is true counts at once: promtool's tests judge how long it has to last. What is recorded has its history
    // from the rules that record it.
    const alerts = await readFile(join(folder, 'rules/alerts.yaml'), 'utf8');
    await writeFile(join(directory, 'alerts.yaml'), alerts.replaceAll(/^ +for: .*\n/gm, ''));
    await writeFile(join(directory, 'recording.yaml'), await readFile(join(folder, 'rules/recording.yaml'), 'utf8'));
    const reader = await startPrometheus(await bare(directory), storage);
    await run(promtool ?? '', [
      'tsdb',
      'create-blocks-from',
      'rules',
      `--start=${startSeconds - historySeconds}`,
      `--end=${startSeconds - gapSeconds}`,
      `--url=${reader.url}`,
      `--output-dir=${storage}`,
      join(directory, 'recording.yaml'),
    ]);
    await reader.stop();
    const config = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: ['alerts.yaml', 'recording.yaml'],
      scrape_configs: [
        {
          job_name: 'gradus',
          static_configs: [
            { targets: [fleet.address], labels: { instance: 'one', service: 'test' } },
            { targets: ['127.0.0.1:1'], labels: { instance: 'gone', service: 'reward' } },
          ],
        },
      ],
      alerting: { alertmanagers: [{ static_configs: [{ targets: [new URL(manager).host] }] }] },
    };
    await writeFile(join(directory, 'prometheus.yaml'), stringify(config));
    const { url } = await startPrometheus(join(directory, 'prometheus.yaml'), storage);

    const names = [...alerts.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
    // An engine that is gone is the reason for both of these; Alertmanager has them, and tells of the reason alone.
    const followed = ['GradusNoProgress', 'GradusQueueGrowing'];
    const heard = async () => {
      const found = z
        .array(z.object({ labels: z.record(z.string(), z.string()), status: z.object({ state: z.string() }) }))
        .parse(await (await fetch(`${manager}/api/v2/alerts`)).json());
      return new Map(found.map(({ labels, status }) => [labels['alertname'] ?? '', status.state]));
    };
    let states = await heard();
    await until(async () => {
      states = await heard();
      return (
        names.every((name) => states.has(name)) &&
        names.every((name) => followed.includes(name) || fleet.told.has(name))
      );
    }, 'every alert is at Alertmanager').catch(async (thrown: unknown) => {
      const firing = (await query(url, 'ALERTS')).map(({ metric }) => metric['alertname']);
      throw new Error(
        `not at Alertmanager: ${names.filter((name) => !states.has(name)).join(', ')}; not told: ${names.filter((name) => !fleet.told.has(name)).join(', ')}; Prometheus fires ${firing.join(', ')}`,
        { cause: thrown },
      );
    });
    for (const name of followed) expect(states.get(name)).toBe('suppressed');
  },
);

/** Without rules and targets: it reads what is stored. */
async function bare(directory: string): Promise<string> {
  await writeFile(join(directory, 'bare.yaml'), 'scrape_configs: []\n');
  return join(directory, 'bare.yaml');
}
