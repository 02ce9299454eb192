import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

import { declaredMetrics } from './metric-declarations.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

const vocabulary = z
  .strictObject({
    metrics: z.array(
      z.strictObject({
        name: z.string().regex(/^gradus(_[a-z0-9]+){2,}$/),
        type: z.enum(['counter', 'gauge', 'histogram']),
        labels: z.array(z.string().regex(/^[a-z][a-z_]*$/)),
        help: z.string().min(5),
      }),
    ),
  })
  .parse(parse(readFileSync(`${root}/deploy/telemetry/metrics.yaml`, 'utf8'))).metrics;

const line = ({ name, type, labels }: { name: string; type: string; labels: readonly string[] }): string =>
  `${name}: ${type} [${labels.join(', ')}]`;

describe('P7: there is one metric vocabulary', () => {
  test('every metric of the sources is declared, with its type and labels', () => {
    const declared = new Set(vocabulary.map(line));
    const missing = declaredMetrics().filter((metric) => !declared.has(line(metric)));
    expect(missing.map((metric) => `${line(metric)} (${metric.file}) is not in deploy/telemetry/metrics.yaml`)).toEqual(
      [],
    );
  });

  test('every declared metric is in the sources', () => {
    const present = new Set(declaredMetrics().map(line));
    expect(vocabulary.map(line).filter((metric) => !present.has(metric))).toEqual([]);
  });

  test('a name is declared once, and means the same in every service', () => {
    const names = vocabulary.map(({ name }) => name);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  test('counters, and only counters, end in _total', () => {
    expect(vocabulary.filter(({ name, type }) => name.endsWith('_total') !== (type === 'counter'))).toEqual([]);
  });

  test('no label is an id, but for runs that are driven, whose series are removed with them', () => {
    const ids = vocabulary.filter(({ labels }) => labels.some((label) => /(^|_)(id|uuid|hash|task)$/.test(label)));
    expect(ids).toEqual([]);
    const ofRuns = vocabulary.filter(({ labels }) => labels.includes('run'));
    expect(
      ofRuns.filter(({ type, labels }) => type !== 'gauge' || (labels[1] !== 'stage' && labels[1] !== 'recipe')),
    ).toEqual([]);
  });
});

async function metricsOf(service: string, ...flags: string[]): Promise<string> {
  const child = spawn(process.execPath, [`${root}/services/${service}/main.ts`, ...flags], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exit = new Promise((resolve) => child.once('exit', resolve));
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await exit;
  });
  for await (const text of createInterface(child.stdout)) {
    const { metrics } = z.looseObject({ metrics: z.string() }).parse(JSON.parse(text));
    return await (await fetch(`http://${metrics}/metrics`)).text();
  }
  throw new Error(`${service} ended before it served`);
}

test.each(['reward', 'retrieval'])('P7: what %s shows under /metrics is declared', async (service) => {
  const corpus = join(await temporaryDirectory(), 'corpus.jsonl');
  writeFileSync(corpus, '{"id":"1","title":"Anna","text":"Anna was born in Bern."}\n');
  const text = await metricsOf(service, ...(service === 'retrieval' ? ['--corpus', corpus] : []));
  const shown = [...text.matchAll(/^# TYPE (gradus_\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`);
  expect(shown.length).toBeGreaterThan(3);
  const declared = new Set(vocabulary.map(({ name, type }) => `${name} ${type}`));
  expect(shown.filter((metric) => !declared.has(metric))).toEqual([]);
});
