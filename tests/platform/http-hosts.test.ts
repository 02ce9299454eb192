/** DNS rebinding: no HTTP server answers a request for a foreign name, or one that another site's page makes. */
import { type IncomingHttpHeaders, request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { answerHeaders } from '#platform/http/node-server.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { createLifecycle } from '#platform/runtime/lifecycle.ts';
import { startMetricsServer } from '#platform/runtime/metrics-server.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { scriptedJudgeConfig } from '../../services/scripted/judge/config.ts';
import { startScriptedJudge } from '../../services/scripted/judge/service.ts';
import { silentLog } from './fixtures.ts';
import { startHttpApi } from '../retrieval/http-api.ts';

interface Asked {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

type Ask = (headers: Record<string, string>) => Promise<Asked>;

/** `fetch` sets Host by itself. */
async function ask(url: string, headers: Record<string, string>, body?: string): Promise<Asked> {
  return await new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    const asked = request(url, { method, headers, agent: false }, (response) => {
      response.setEncoding('utf8');
      response
        .toArray()
        .then(
          (parts) => resolve({ status: response.statusCode ?? 0, body: parts.join(''), headers: response.headers }),
          reject,
        );
    }).once('error', reject);
    asked.end(body);
  });
}

const json = { 'content-type': 'application/json' };
const question = JSON.stringify({ model: 'x', messages: [] });

async function retrieval(path: string, flags: readonly string[], body?: string): Promise<Ask> {
  const api = await startHttpApi({ flags });
  return (headers) => ask(api.url + path, { ...json, ...headers }, body);
}

async function judge(path: string, flags: readonly string[], body?: string): Promise<Ask> {
  const lifecycle = createLifecycle(silentLog);
  const config = loadConfig(scriptedJudgeConfig, { argv: [...flags] });
  const { http } = await startScriptedJudge(config, {
    name: 'scripted-judge',
    log: silentLog,
    metrics: createMetrics(),
    signal: lifecycle.signal,
    defer: (what, dispose) => lifecycle.defer(what, dispose),
    fail: (error) => lifecycle.fail(error),
  });
  lifecycle.serving();
  onTestFinished(async () => {
    lifecycle.stop('the test is over');
    await lifecycle.drain(5_000);
  });
  return (headers) => ask(`http://${http}${path}`, { ...json, ...headers }, body);
}

async function metricsOf(path: string, flags: readonly string[]): Promise<Ask> {
  const { allowedHosts } = loadConfig(scriptedJudgeConfig, { argv: [...flags] });
  const server = await startMetricsServer('127.0.0.1:0', createMetrics(), () => true, { allowedHosts });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return (headers) => ask(`http://${server.address}${path}`, headers);
}

const servers: [string, (flags: readonly string[]) => Promise<Ask>][] = [
  ['POST /retrieve', (flags) => retrieval('/retrieve', flags, '{"queries":["town"]}')],
  ['POST /visit', (flags) => retrieval('/visit', flags, '{"url":"3"}')],
  ['GET /stats', (flags) => retrieval('/stats', flags)],
  ['GET /health', (flags) => retrieval('/health', flags)],
  ['a path that is not a route', (flags) => retrieval('/nothing', flags)],
  ["the scripted judge's completions", (flags) => judge('/v1/chat/completions', flags, question)],
  ["the scripted judge's models", (flags) => judge('/v1/models', flags)],
  ['/metrics', (flags) => metricsOf('/metrics', flags)],
  ['/healthz', (flags) => metricsOf('/healthz', flags)],
];

test.each(servers)(
  '%s answers no name that was bound to this machine, and no page of another site',
  async (_, start) => {
    const api = await start([]);
    for (const host of ['evil.example', 'evil.example:8000', '127.0.0.1.evil.example']) {
      const refused = await api({ host });
      expect(refused.status).toBe(403);
      expect(refused.body).toContain('--allowed-hosts');
    }
    for (const origin of ['https://evil.example', 'null']) {
      const refused = await api({ origin });
      expect(refused.status).toBe(403);
      expect(refused.body).toContain('--allowed-hosts');
    }
  },
);

test.each(servers)('%s answers loopback, addresses of pods, and names that are allowed', async (_, start) => {
  const flags = ['--allowed-hosts', 'gradus.example,pages.example'];
  const [closed, open] = [await start([]), await start(flags)];
  for (const host of ['localhost', '127.0.0.1:9464', '10.0.0.7:9464', '[::1]:9464']) {
    expect((await closed({ host })).status).not.toBe(403);
  }
  expect((await closed({ origin: 'http://localhost:3000' })).status).not.toBe(403);
  expect((await closed({ host: 'gradus.example' })).status).toBe(403);
  expect((await open({ host: 'gradus.example:9464', origin: 'https://pages.example' })).status).not.toBe(403);
});

test.each(servers)(
  '%s says to a browser that it shows, runs, frames and keeps nothing of an answer',
  async (_, start) => {
    const api = await start([]);
    for (const asked of [await api({}), await api({ host: 'evil.example' })]) {
      expect(asked.headers).toMatchObject(answerHeaders);
      expect(asked.headers['content-security-policy']).toBe("default-src 'none'; frame-ancestors 'none'");
    }
  },
);

test('a form of another site cannot post to a service: it has an origin and no JSON', async () => {
  const api = await retrieval('/retrieve', [], '{"queries":["town"]}');
  expect((await api({ 'content-type': 'text/plain', origin: 'https://evil.example' })).status).toBe(403);
  expect((await api({ 'content-type': 'text/plain' })).status).toBe(415);
  const scripted = await judge('/v1/chat/completions', [], question);
  expect((await scripted({ 'content-type': 'text/plain', origin: 'https://evil.example' })).status).toBe(403);
  expect((await scripted({ 'content-type': 'text/plain' })).status).toBe(415);
});
