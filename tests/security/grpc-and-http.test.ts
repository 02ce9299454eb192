import { request } from 'node:https';
import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { addToken, renewCredentials } from '../../services/cli/credentials/write-credentials.ts';
import { createGrpcClient } from '../../services/platform/grpc/client.ts';
import { createHealthClient } from '../../services/platform/grpc/health-client.ts';
import { createGrpcServer } from '../../services/platform/grpc/server.ts';
import { startMetricsServer } from '../../services/platform/runtime/metrics-server.ts';
import { createRequestRate, type RequestRate } from '../../services/platform/security/request-rate.ts';
import type { Security } from '../../services/platform/security/security.ts';
import type { Pems } from '../../services/platform/security/tls-material.ts';
import { createMetrics } from '../../services/platform/telemetry/metrics.ts';
import { expiredPems, isTaken, newCredentials, pemsOf, securityOf, valueOf } from './certificates.ts';

async function startRetrieval(directory: string, role = 'retrieval', lookEveryMs?: number, requestRate?: RequestRate) {
  const metrics = createMetrics();
  const security = { ...(await securityOf(directory, role, metrics, lookEveryMs)), requestRate };
  const server = createGrpcServer({ log: pino({ level: 'silent' }), metrics, security });
  onTestFinished(() => server.drain(0));
  server.add(RetrievalService, {
    search: async () => ({}),
    fetch: async () => ({}),
    describe: async () => ({}),
    reload: async () => ({}),
  });
  const address = await server.listen('127.0.0.1:0');
  const refused = async (reason: string): Promise<number> =>
    valueOf(await metrics.render(), `gradus_requests_refused_total{edge="grpc",reason="${reason}"}`);
  return { address, refused, security, metrics };
}

function clientOf(address: string, security: Security | undefined) {
  const client = createGrpcClient(RetrievalService, address, { timeoutMs: 60_000, security });
  onTestFinished(() => client.close());
  return client;
}

test('a method answers the roles that its contract names, and refuses and counts the others', async () => {
  const directory = await newCredentials();
  const { address, refused } = await startRetrieval(directory);
  await clientOf(address, await securityOf(directory, 'rollout')).search({});
  await clientOf(address, await securityOf(directory, 'operator')).reload({});
  await expect(clientOf(address, await securityOf(directory, 'rollout')).reload({})).rejects.toMatchObject({
    code: 'permission_denied',
    message: expect.stringMatching(/Reload: rollout may not ask this; it is for operator$/),
  });
  expect(await refused('role')).toBe(1);
});

test('without a certificate, with a foreign one and with one that is over nobody gets as far as a call, and each is counted', async () => {
  const [directory, foreign] = [await newCredentials(), await newCredentials()];
  const { address, refused } = await startRetrieval(directory);
  expect(await isTaken(address, await pemsOf(directory, 'rollout'))).toBe(true);
  expect(await isTaken(address, {})).toBe(false);
  expect(await isTaken(address, await pemsOf(foreign, 'rollout'))).toBe(false);
  expect(await isTaken(address, await expiredPems(directory, 'rollout'))).toBe(false);
  await expect.poll(() => refused('certificate'), { timeout: 60_000 }).toBe(3);
  const plain = createGrpcClient(RetrievalService, address, { timeoutMs: 2_000 });
  onTestFinished(() => plain.close());
  await expect(plain.search({})).rejects.toThrow();
});

test('a client takes a server of the role that serves the contract, and no other of the same authority', async () => {
  const directory = await newCredentials();
  const { address } = await startRetrieval(directory, 'rollout');
  const client = createGrpcClient(RetrievalService, address, {
    timeoutMs: 5_000,
    security: await securityOf(directory, 'operator'),
  });
  onTestFinished(() => client.close());
  await expect(client.describe({})).rejects.toThrow(/retrieval\.gradus\.internal|No connection/);
  using health = createHealthClient(address, '', await securityOf(directory, 'operator'));
  expect(await health.ask(60_000)).toBe('serving');
});

test('renewed certificates are used without a restart, and calls under way on old connections go on', async () => {
  const directory = await newCredentials();
  const { address, security } = await startRetrieval(directory, 'retrieval', 20);
  const before = clientOf(address, await securityOf(directory, 'operator'));
  await before.describe({});
  const old = security.tls?.pems.cert;
  await renewCredentials({ directory, days: 2, nowMs: Date.now() });
  await expect.poll(() => security.tls?.pems.cert.equals(old ?? Buffer.of()), { timeout: 60_000 }).toBe(false);
  await before.describe({});
  await clientOf(address, await securityOf(directory, 'operator')).describe({});
});

async function get(address: string, path: string, pems: Partial<Pems>, token?: string): Promise<number> {
  const [host, port] = address.split(':');
  return await new Promise((done, fail) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    request({ host, port, path, headers, ...pems, agent: false }, (answer) => done(answer.resume().statusCode ?? 0))
      .on('error', fail)
      .end();
  });
}

test('/metrics is for a certificate or a token of a role that reads it, and /healthz for everyone', async () => {
  const [directory, foreign] = [await newCredentials(), await newCredentials()];
  const metrics = createMetrics();
  const token = await addToken({ directory, role: 'metrics', name: 'test', days: 1, nowMs: Date.now() });
  const over = await addToken({ directory, role: 'metrics', name: 'over', days: -1, nowMs: Date.now() });
  const security = await securityOf(directory, 'retrieval', metrics);
  const server = await startMetricsServer('127.0.0.1:0', metrics, () => true, { allowedHosts: [], security });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const ca = (await pemsOf(directory, 'metrics')).ca;
  const { address } = server;
  expect(await get(address, '/healthz', { ca })).toBe(200);
  expect(await get(address, '/metrics', { ca })).toBe(401);
  expect(await get(address, '/metrics', await pemsOf(directory, 'metrics'))).toBe(200);
  expect(await get(address, '/metrics', await pemsOf(directory, 'rollout'))).toBe(403);
  expect(await get(address, '/metrics', { ...(await pemsOf(foreign, 'metrics')), ca })).toBe(401);
  expect(await get(address, '/metrics', { ...(await expiredPems(directory, 'metrics')), ca })).toBe(401);
  expect(await get(address, '/metrics', { ca }, token)).toBe(200);
  expect(await get(address, '/metrics', { ca }, over)).toBe(401);
  expect(await get(address, '/metrics', { ca }, `${token}x`)).toBe(401);
  const text = await metrics.render();
  expect(valueOf(text, 'gradus_requests_refused_total{edge="http",reason="token"}')).toBe(2);
  expect(valueOf(text, 'gradus_requests_refused_total{edge="http",reason="role"}')).toBe(1);
});

/** One request, and the next after an hour: no machine is so slow that it would be let in. */
const oneAnHour = 1 / 3_600;

test('who is no service of the fleet and asks too often is refused over gRPC and HTTP, each caller by itself, and counted', async () => {
  const directory = await newCredentials();
  const { address, refused } = await startRetrieval(directory, 'retrieval', undefined, createRequestRate(oneAnHour));
  const operator = clientOf(address, await securityOf(directory, 'operator'));
  await operator.describe({});
  await expect(operator.describe({})).rejects.toMatchObject({
    code: 'resource_exhausted',
    message: expect.stringMatching(/Describe: this caller asks more often than the server allows \(request_rate\)/),
  });
  expect(await refused('rate')).toBe(1);
  await clientOf(address, await securityOf(directory, 'viewer')).describe({});
  const worker = clientOf(address, await securityOf(directory, 'rollout'));
  for (let call = 0; call < 5; call += 1) await worker.search({});

  const metrics = createMetrics();
  const token = await addToken({ directory, role: 'metrics', name: 'test', days: 1, nowMs: Date.now() });
  const security = {
    ...(await securityOf(directory, 'retrieval', metrics)),
    requestRate: createRequestRate(oneAnHour),
  };
  const server = await startMetricsServer('127.0.0.1:0', metrics, () => true, { allowedHosts: [], security });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const own = await pemsOf(directory, 'metrics');
  expect(await get(server.address, '/metrics', { ca: own.ca }, token)).toBe(200);
  expect(await get(server.address, '/metrics', { ca: own.ca }, token)).toBe(429);
  expect(await get(server.address, '/metrics', own)).toBe(200);
  for (let call = 0; call < 3; call += 1) expect(await get(server.address, '/healthz', { ca: own.ca })).toBe(200);
  expect(valueOf(await metrics.render(), 'gradus_requests_refused_total{edge="http",reason="rate"}')).toBe(1);
});
