import { connect } from 'node:net';
import { Agent, request } from 'node:http';
import { expect, test } from 'vitest';
import { TransientError } from '#platform/errors.ts';
import { createGate, startHttpApi, type HttpApiOptions, type RunningHttpApi } from './http-api.ts';
import { until } from '../until.ts';

const busy = (retryAfterMs: number): HttpApiOptions['around'] => {
  const full = async (): Promise<never> => {
    throw new TransientError('resource_exhausted', 'too much is waiting', { retryAfterMs });
  };
  return (retriever) => ({ ...retriever, search: full, fetch: full });
};

const counted = async (api: RunningHttpApi, route: string, code: string): Promise<boolean> =>
  (await api.metrics.render()).includes(`gradus_http_requests_total{route="${route}",code="${code}"} 1`);

test.each([
  [1, '1'],
  [1_000, '1'],
  [1_001, '2'],
  [7_500, '8'],
])('too much waiting is 429, and %d ms to wait are given in whole seconds', async (retryAfterMs, seconds) => {
  const api = await startHttpApi({ around: busy(retryAfterMs) });
  for (const [path, body] of [
    ['/retrieve', { queries: ['x'] }],
    ['/search', { query: 'x' }],
    ['/visit', { url: '3' }],
  ] as const) {
    const answer = await api.post(path, body);
    expect(answer).toMatchObject({ status: 429, body: { code: 'resource_exhausted', detail: 'too much is waiting' } });
    expect(answer.headers.get('retry-after')).toBe(seconds);
  }
});

test('the status of too much waiting can be one that clients of verl try again', async () => {
  const api = await startHttpApi({ around: busy(10), flags: ['--http-overload-status', '503'] });
  const answer = await api.post('/retrieve', { queries: ['x'] });
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
});

test('P3: a request that takes longer than its deadline is 504, and the search behind it is cancelled', async () => {
  const gate = createGate();
  const api = await startHttpApi({ around: gate.around, flags: ['--http-timeout-ms', '1000'] });
  const answer = await api.post('/retrieve', { queries: ['x'] });
  expect(answer).toMatchObject({
    status: 504,
    body: { code: 'deadline_exceeded', detail: 'POST /retrieve took longer than 1000 ms' },
  });
  expect(gate.held[0]?.signal?.aborted).toBe(true);
});

test('a client that leaves cancels its search', async () => {
  const gate = createGate();
  const api = await startHttpApi({ around: gate.around });
  const left = new AbortController();
  const asked = api.post('/retrieve', { queries: ['x'] }, { signal: left.signal });
  await until(() => gate.held.length === 1);
  left.abort();
  await expect(asked).rejects.toThrow(/abort/);
  await until(() => gate.held[0]?.signal?.aborted === true);
  await until(() => counted(api, '/retrieve', '499'));
});

test('a stop lets what runs finish, refuses what comes on a connection that is open, and takes no new one', async () => {
  const gate = createGate();
  const api = await startHttpApi({ around: gate.around });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const get = (): Promise<{
    status: number | undefined;
    retryAfter: string | undefined;
    connection: string | undefined;
  }> =>
    new Promise((resolve, reject) => {
      request(`${api.url}/health`, { agent }, (response) => {
        response.resume();
        const { connection, 'retry-after': retryAfter } = response.headers;
        response.once('end', () => resolve({ status: response.statusCode, retryAfter, connection }));
      })
        .once('error', reject)
        .end();
    });
  expect(await get()).toMatchObject({ status: 200 });
  const running = api.post('/retrieve', { queries: ['Halvard'] });
  await until(() => gate.held.length === 1);
  api.stop();
  expect(await get()).toEqual({ status: 503, retryAfter: '1', connection: 'close' });
  let drained = false;
  const drain = api.drain(60_000).then(() => (drained = true));
  await expect(fetch(`${api.url}/health`)).rejects.toThrow();
  expect(drained).toBe(false);
  gate.held[0]?.go();
  expect(await running).toMatchObject({ status: 200, body: { result: [[{ id: '0007' }]] } });
  await drain;
  agent.destroy();
});

test('P3: a drain that runs out of time cuts off what still runs', async () => {
  const gate = createGate();
  const api = await startHttpApi({ around: gate.around });
  const running = api.post('/retrieve', { queries: ['x'] }).catch((error: unknown) => error);
  await until(() => gate.held.length === 1);
  await api.drain(20);
  expect(gate.held[0]?.signal?.aborted).toBe(true);
  await running;
});

test('500 connections at once are all answered, each with its own result', async () => {
  const api = await startHttpApi();
  const agent = new Agent({ keepAlive: true, maxSockets: 500 });
  const names = ['Halvard', 'Paris', 'capital'];
  const ids = ['0007', '3', '12'];
  const ask = (index: number): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const posted = request(
        `${api.url}/retrieve`,
        { agent, method: 'POST', headers: { 'content-type': 'application/json' } },
        (response) => {
          response.setEncoding('utf8');
          response.toArray().then((chunks) => resolve(JSON.parse(chunks.join('')).result[0][0].id), reject);
        },
      ).once('error', reject);
      posted.end(JSON.stringify({ queries: [names[index % 3]], topk: 1 }));
    });
  const answers = await Promise.all(Array.from({ length: 2_000 }, (_, index) => ask(index)));
  expect(answers).toEqual(Array.from({ length: 2_000 }, (_, index) => ids[index % 3]));
  agent.destroy();
});

test('bodies are held up to a budget; beyond it a request is asked to come again, and is answered once others are gone', async () => {
  const api = await startHttpApi();
  const [host = '', port] = api.address.split(':');
  const head =
    'POST /retrieve HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 16777216\r\n\r\n';
  const sockets = Array.from({ length: 32 }, () => connect(Number(port), host));
  for (const socket of sockets) socket.write(head);
  await until(async () => (await api.metrics.render()).includes('gradus_http_running_requests{route="/retrieve"} 32'));
  const refused = await api.post('/retrieve', { queries: ['Halvard'] });
  expect(refused).toMatchObject({ status: 429, body: { code: 'resource_exhausted' } });
  expect((await fetch(`${api.url}/health`)).status).toBe(200);
  for (const socket of sockets) socket.destroy();
  await until(async () => (await api.post('/retrieve', { queries: ['Halvard'] })).status === 200);
});

test('bytes that are no HTTP end their connection and nothing else', async () => {
  const api = await startHttpApi();
  const [host = '', port] = api.address.split(':');
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), host, () => socket.write('\u0016\u0003\u0001 nonsense\r\n\r\n'));
    socket.setEncoding('utf8');
    socket.toArray().then((chunks) => resolve(chunks.join('')), reject);
  });
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect((await api.post('/retrieve', { queries: ['Halvard'] })).status).toBe(200);
});

test('P7: requests are counted by route and status, and unknown paths share one label', async () => {
  const api = await startHttpApi();
  await api.post('/retrieve', { queries: ['x'] });
  await api.post('/search', { query: '' });
  await api.post('/some/path', {});
  expect(await counted(api, '/retrieve', '200')).toBe(true);
  expect(await counted(api, '/search', '400')).toBe(true);
  expect(await counted(api, 'other', '404')).toBe(true);
  expect(await api.metrics.render()).toContain('gradus_http_request_seconds_count{route="/retrieve"} 1');
  expect(await api.metrics.render()).toContain('gradus_retrieval_queries_total{hits="none"} 1');
});
