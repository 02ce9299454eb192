import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { describe, expect, onTestFinished, test } from 'vitest';

import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { startOtlpCollector } from '../fixtures/otlp-collector.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';

import { until } from '../until.ts';

const main = fileURLToPath(new URL('service-main.ts', import.meta.url));

function startProcess(...flags: string[]) {
  const child = spawn(process.execPath, [main, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  return { child, exit, stdout: () => stdout, stderr: () => stderr };
}

async function startSample(...flags: string[]) {
  const started = startProcess(...flags);
  await until(() => started.stdout().includes('\n') || started.child.exitCode !== null, 'the line with the addresses');
  const line: unknown = JSON.parse(started.stdout());
  const { grpc, metrics } = Object(line);
  const client = createGrpcClient(RetrievalService, String(grpc), { timeoutMs: 60_000 });
  onTestFinished(() => client.close());
  return { ...started, line, client, grpc: String(grpc), metrics: String(metrics) };
}

describe('a service', () => {
  test('says where it serves in one JSON line, logs JSON to stderr, and exits with 0 on SIGTERM', async () => {
    const sample = await startSample();
    expect(sample.line).toEqual({
      service: 'sample',
      grpc: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      metrics: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    });
    sample.child.kill('SIGTERM');
    expect(await sample.exit).toBe(0);
    expect(sample.stdout().trimEnd().split('\n')).toHaveLength(1);
    const lines = sample.stderr().trimEnd().split('\n');
    for (const line of lines) expect(JSON.parse(line)).toMatchObject({ service: 'sample', level: expect.any(String) });
  });

  test('serves /metrics and /healthz, and nothing else, over HTTP', async () => {
    const { client, metrics } = await startSample();
    await client.describe({});
    const text = await (await fetch(`http://${metrics}/metrics`)).text();
    expect(text).toMatch(/gradus_grpc_requests_total\{method="[^"]*\/Describe",code="ok"\} 1/);
    expect(text).toContain('process_resident_memory_bytes');
    expect(await (await fetch(`http://${metrics}/healthz`)).text()).toBe('SERVING\n');
    expect((await fetch(`http://${metrics}/`)).status).toBe(404);
    expect((await fetch(`http://${metrics}/metrics`, { method: 'POST' })).status).toBe(405);
  });

  test('prints its config at the start with secrets masked', async () => {
    const sample = await startSample('--api-key', 'correct-horse');
    expect(sample.stderr()).not.toContain('correct-horse');
    expect(sample.stderr()).toContain('"apiKey":"***"');
  });

  test('lets running calls finish when it is asked to stop, and takes no new ones', async () => {
    const sample = await startSample();
    const calling = sample.client.search({ topK: 1_000 });
    await until(() => sample.stderr().includes('searching'), 'the call has begun');
    sample.child.kill('SIGINT');
    await until(() => sample.stderr().includes('the service stops'), 'the stop');
    await expect(sample.client.describe({})).rejects.toMatchObject({ code: 'unavailable' });
    await expect(calling).resolves.toMatchObject({ indexVersion: 'done' });
    expect(await sample.exit).toBe(0);
  });

  test('P3: cuts calls off at the end of its drain time', async () => {
    const sample = await startSample('--drain-ms', '300');
    const calling = sample.client.search({ topK: 60_000 });
    const failed = expect(calling).rejects.toMatchObject({ name: expect.stringMatching(/Transient|Cancelled/) });
    await until(() => sample.stderr().includes('searching'), 'the call has begun');
    sample.child.kill('SIGTERM');
    await failed;
    expect(await sample.exit).toBe(0);
  });

  test('ends at once on the same signal a second time', async () => {
    const sample = await startSample('--drain-ms', '60000');
    const calling = sample.client.search({ topK: 60_000 });
    const failed = expect(calling).rejects.toMatchObject({ code: 'unavailable' });
    await until(() => sample.stderr().includes('searching'), 'the call has begun');
    sample.child.kill('SIGINT');
    await until(() => sample.stderr().includes('the service stops'), 'the drain');
    // Another signal is no second one; half a second later the same one is not the same request any more.
    sample.child.kill('SIGTERM');
    await sleep(500);
    expect(sample.child.exitCode).toBeNull();
    sample.child.kill('SIGINT');
    await failed;
    expect(await sample.exit).toBe(130);
  });

  test('P3: ends with 1 at the bound when a part of it cannot be disposed', async () => {
    const sample = await startSample('--fault', 'drain', '--drain-ms', '200');
    sample.child.kill('SIGTERM');
    expect(await sample.exit).toBe(1);
    expect(sample.stderr()).toContain('the drain took too long');
  });

  test.each([
    ['later', 'the index is gone'],
    ['stray', 'nobody awaits this'],
  ])('drains and ends with 1 when it fails %s', async (fault, reason) => {
    const sample = await startSample('--fault', fault);
    expect(await sample.exit).toBe(1);
    expect(sample.stderr()).toContain(reason);
  });
});

describe('a service that cannot start', () => {
  test('ends with 2 and one clear line when its config is wrong', async () => {
    const { exit, stderr, stdout } = startProcess('--drian-ms', '5');
    expect(await exit).toBe(2);
    expect(stderr()).toBe("sample: unknown flag '--drian-ms'; did you mean '--drain-ms'?\n");
    expect(stdout()).toBe('');
  });

  test('ends with 1 and the reason when its start fails', async () => {
    const { exit, stderr, stdout } = startProcess('--fault', 'start');
    expect(await exit).toBe(1);
    expect(stderr()).toContain("corpus 'none.jsonl' does not exist");
    expect(stdout()).toBe('');
  });

  test('names the port that is in use, of gRPC and of metrics', async () => {
    const { grpc, metrics } = await startSample();
    const first = startProcess('--grpc', grpc);
    const second = startProcess('--metrics', metrics);
    expect(await first.exit).toBe(1);
    expect(await second.exit).toBe(1);
    expect(first.stderr()).toContain(`cannot listen on ${grpc}: the port is in use`);
    expect(second.stderr()).toContain(`cannot serve metrics on ${metrics}: the port is in use`);
  });

  test('refuses to be reachable from other machines unless the config says so', async () => {
    const refused = startProcess('--grpc', '0.0.0.0:0');
    expect(await refused.exit).toBe(2);
    expect(refused.stderr()).toMatch(/reachable from other machines.*--tls-cert.*--insecure-remote/);
    const allowed = await startSample('--grpc', '0.0.0.0:0', '--insecure-remote');
    expect(allowed.grpc).toMatch(/^0\.0\.0\.0:\d+$/);
  });

  test('--help lists what can be set', async () => {
    const { exit, stdout } = startProcess('--help');
    expect(await exit).toBe(0);
    expect(stdout()).toContain('--drain-ms');
  });
});

test('P7: traces are sent to the OTLP endpoint when one is set, also those of the last moment', async () => {
  using collector = await startOtlpCollector();
  const { client, child, exit } = await startSample('--otlp-endpoint', collector.url);
  await client.describe({});
  child.kill('SIGTERM');
  expect(await exit).toBe(0);
  expect(collector.spans.map(({ name, service }) => ({ name, service }))).toEqual([
    { name: 'gradus.retrieval.v1.RetrievalService/Describe', service: 'gradus-sample' },
  ]);
});
