import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { connectNats } from '#platform/nats/connect.ts';
import { subjects } from '#platform/nats/streams.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';
import { startAlertWebhook } from '../telemetry/alert-webhook.ts';
import { hoursInMinutes } from '../telemetry/hours-in-minutes.ts';
import {
  alertmanager,
  missing,
  prometheus,
  startAlertmanager,
  startPrometheus,
} from '../telemetry/prometheus-programs.ts';
import { fleetServices, isAlive, readJson, startGradus, until } from './gradus-process.ts';

const deploy = resolve(import.meta.dirname, '../../deploy/prometheus');
const recipe = resolve(import.meta.dirname, '../../recipes/rollouts-scripted.yaml');

const settings = [
  'stages.0.until.steps=100000',
  'fleet.workers=2',
  'fleet.engines=1',
  'fleet.scripted.latency_median_ms=50',
  // What is stopped here stays so: the fleet would end and start it before anyone is told.
  'fleet.hung_after_ms=3600000',
  'stages.0.groups.on_deadline=retry',
];

async function startWatch(directory: string, webhook: string): Promise<void> {
  const shipped = parse(await readFile(join(deploy, 'alertmanager.yaml'), 'utf8'));
  const receivers = [{ name: 'operators', webhook_configs: [{ url: webhook }] }];
  const route = { ...shipped.route, group_wait: '1s', group_interval: '1s' };
  await writeFile(join(directory, 'alertmanager.yaml'), stringify({ ...shipped, route, receivers }));
  const manager = await startAlertmanager(join(directory, 'alertmanager.yaml'), join(directory, 'alerts'));

  const alerts = hoursInMinutes(await readFile(join(deploy, 'rules/alerts.yaml'), 'utf8'));
  await writeFile(join(directory, 'alerts.yaml'), alerts);
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: ['alerts.yaml', join(deploy, 'rules/recording.yaml')],
    scrape_configs: [
      { job_name: 'gradus', file_sd_configs: [{ files: ['runs/prometheus.json'], refresh_interval: '1s' }] },
    ],
    alerting: { alertmanagers: [{ static_configs: [{ targets: [new URL(manager.url).host] }] }] },
  };
  await writeFile(join(directory, 'prometheus.yaml'), stringify(config));
  await startPrometheus(join(directory, 'prometheus.yaml'), join(directory, 'tsdb'));
}

test.skipIf(prometheus === undefined || alertmanager === undefined)(
  `faults of a real fleet reach operators by Prometheus and Alertmanager, and their end does too${missing({ prometheus, alertmanager })}`,
  async () => {
    const directory = await temporaryDirectory('gradus-alerts-');
    const home = join(directory, 'runs');
    const { url, told } = await startAlertWebhook();
    await startWatch(directory, url);
    const firstPort = await lastingPort();
    const set = [...settings, `fleet.metrics_port=${firstPort}`].flatMap((one) => ['--set', one]);
    const run = startGradus(directory, 'run', recipe, '--run-id', 'faulty', ...set);
    await run.says(/step +2\b/i);

    const isTold = (
      name: string,
      status: 'firing' | 'resolved',
      sinceMs: number,
      labels: Record<string, string> = {},
    ) =>
      told.some(
        (alert) =>
          alert.labels['alertname'] === name &&
          alert.status === status &&
          Date.parse(alert.startsAt) >= sinceMs &&
          Object.entries(labels).every(([label, value]) => alert.labels[label] === value),
      );
    const waitFor = (holds: () => boolean | Promise<boolean>, what: string): Promise<void> =>
      until(holds, 240_000, () => {
        if (run.process.exitCode !== null) throw new Error(`the run ended before ${what}: ${run.output()}`);
        const names = told.map(({ labels, status }) => `${labels['alertname']} ${status}`);
        return `${what}; told: ${names.join(', ') || 'nothing'}; ${run.output().slice(-2000)}`;
      });
    const pidsOf = async (service: string): Promise<number[]> =>
      (await fleetServices(home)).flatMap(({ label, pid }) => (label.startsWith(service) ? [pid] : []));

    // Ports that the recipe says, one after the other.
    const targets = (await readJson(join(home, 'prometheus.json'))) as readonly { readonly targets: string[] }[];
    const ports = targets.flatMap(({ targets: at }) => at.map((address) => Number(address.split(':')[1])));
    expect(ports.toSorted((a, b) => a - b)).toEqual(targets.map((_, index) => firstPort + index));

    // A task that nobody can read.
    const fleet = (await readJson(join(home, 'fleet.json'))) as { readonly natsUrl: string };
    const end = new AbortController();
    const log = createLogger({ service: 'test', level: 'silent' });
    const nats = await connectNats({ url: fleet.natsUrl, name: 'test', log, signal: end.signal });
    const damagedAtMs = Date.now();
    await nats.js.publish(subjects.task('faulty', 'train'), new Uint8Array([255, 255, 255]));
    await waitFor(() => isTold('GradusDeadLetters', 'firing', damagedAtMs), 'operators are told of dead letters');
    await nats.close();

    // Workers that live and do nothing.
    const stoppedAtMs = Date.now();
    const workers = await pidsOf('rollout');
    expect(workers).toHaveLength(2);
    onTestFinished(() => workers.filter(isAlive).forEach((pid) => process.kill(pid, 'SIGKILL')));
    for (const pid of workers) process.kill(pid, 'SIGSTOP');
    await waitFor(
      () => isTold('GradusServiceGone', 'firing', stoppedAtMs, { service: 'rollout', instance: 'rollout-2' }),
      'operators are told of a worker that does not answer',
    );
    await waitFor(
      () => isTold('GradusNoProgress', 'firing', stoppedAtMs, { run: 'faulty' }),
      'operators are told of a run without progress',
    );
    for (const pid of workers) process.kill(pid, 'SIGCONT');
    await waitFor(
      () => isTold('GradusNoProgress', 'resolved', stoppedAtMs, { run: 'faulty' }),
      'operators are told that the run goes on',
    );

    // An engine that dies again as soon as it is back: the fleet's pauses before its starts grow up to where one counts as gone.
    const diedAtMs = Date.now();
    let deaths = 0;
    await waitFor(async () => {
      if (isTold('GradusEngineGone', 'firing', diedAtMs)) return true;
      for (const pid of (await pidsOf('engine')).filter(isAlive)) {
        if (deaths === 7)
          throw new Error('seven deaths of an engine, and operators are not told; an eighth ends the fleet');
        process.kill(pid, 'SIGKILL');
        deaths += 1;
      }
      return false;
    }, 'operators are told of an engine that is gone');
    expect(deaths).toBeGreaterThan(0);
    await waitFor(() => isTold('GradusEngineGone', 'resolved', diedAtMs), 'operators are told that the engine is back');
    run.process.kill('SIGINT');
    await run.exit();
  },
);
