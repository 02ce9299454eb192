import { createServer, request as requestHttp, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { createWorkerToken, nameSession, sessionIdOf, workerTokenOf } from './session-name.ts';
import { startSessionGateway, type SessionGatewaySettings } from './start-session-gateway.ts';
import { createWorkerRegistry } from './worker-registry.ts';

async function startGateway(settings: Partial<SessionGatewaySettings & { livesMs: number }> = {}) {
  const { livesMs, ...rest } = settings;
  const metrics = createMetrics();
  const gateway = await startSessionGateway(
    '127.0.0.1:0',
    { allowedHosts: [], allowRemote: false, ...rest },
    metrics,
    livesMs,
  );
  onTestFinished(() => gateway.drain(1_000));
  return { ...gateway, metrics };
}

/** A worker that answers as `listener` does. */
async function startWorker(listener: RequestListener) {
  const server = createServer(listener);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const stop = (): void => {
    server.close();
    server.closeAllConnections();
  };
  onTestFinished(stop);
  const workerToken = createWorkerToken();
  return {
    stop,
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    workerToken,
    ...nameSession(workerToken),
  };
}

interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

async function ask(gateway: string, path: string, { method = 'POST', headers = {}, body }: Asked = {}) {
  const response = await fetch(`http://${gateway}${path}`, { method, headers, ...(body !== undefined && { body }) });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

test('a session and its key name their worker, and nothing else is one', () => {
  const token = createWorkerToken();
  const { id, key } = nameSession(token);
  expect([workerTokenOf(id), sessionIdOf(key)]).toEqual([token, id]);
  for (const wrong of ['', id, `${key}0`, `gradus-127.0.0.1:80-${key}`, key.toUpperCase()])
    expect(sessionIdOf(wrong)).toBeUndefined();
  expect(workerTokenOf(`${id}/..`)).toBeUndefined();
});

test('a request reaches the worker of its session, by its path or by its key, with its body and its headers', async () => {
  const seen: object[] = [];
  const worker = await startWorker((request, response) => {
    void text(request).then((body) => {
      const { authorization, host, origin, 'x-mine': mine } = request.headers;
      seen.push({ method: request.method, url: request.url, body, authorization, host, origin, mine });
      response.writeHead(418, { 'x-theirs': 'b' }).end('tea');
    });
  });
  const { address, register } = await startGateway();
  register({ ...worker, opens: false });
  const headers = { authorization: `Bearer ${worker.key}`, 'x-mine': 'a', origin: 'http://localhost:1' };
  const path = `/sessions/${worker.id}/v1/chat/completions?x=1`;
  const answer = await ask(address, path, { headers, body: 'hello' });
  expect([answer.status, answer.text, answer.headers.get('x-theirs')]).toEqual([418, 'tea', 'b']);
  await ask(address, '/v1/models?y=2', { method: 'GET', headers: { 'x-api-key': worker.key } });
  expect(seen).toEqual([
    {
      method: 'POST',
      url: path,
      body: 'hello',
      authorization: headers.authorization,
      host: worker.address,
      origin: undefined,
      mine: 'a',
    },
    expect.objectContaining({ method: 'GET', url: `/sessions/${worker.id}/v1/models?y=2`, body: '' }),
  ]);
});

test('an answer is passed on as it comes, and a client that leaves takes its request at the worker with it', async () => {
  const arrived = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const worker = await startWorker((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: one\n\n');
    response.once('close', () => left.resolve());
    void arrived.promise.then(() => response.write('data: two\n\n'));
  });
  const { address, register } = await startGateway();
  register({ ...worker, opens: false });
  const request = requestHttp(`http://${address}/sessions/${worker.id}/v1/x`, { method: 'POST' });
  request.end();
  const response = await new Promise<IncomingMessage>((done) => request.once('response', done));
  const chunks: string[] = [];
  for await (const chunk of response.iterator({ destroyOnReturn: false })) {
    chunks.push(String(chunk));
    // The worker writes the second event only when the first one is here.
    arrived.resolve();
    if (chunks.join('').includes('two')) break;
  }
  request.destroy();
  await left.promise;
});

test('P6: a body that no worker reads is refused here, whether its length is said or not', async () => {
  const worker = await startWorker((request) => request.resume());
  const { address, register } = await startGateway();
  register({ ...worker, opens: false });
  const path = `/sessions/${worker.id}/v1/x`;
  const refused = { status: 400, text: expect.stringContaining('body: at most 16777216 bytes are read') };
  expect(await ask(address, path, { body: ' '.repeat(16 * 2 ** 20 + 1) })).toMatchObject(refused);
  const status = await new Promise((done) => {
    const [host, port] = address.split(':');
    const request = requestHttp({ host, port, path, method: 'POST' }, (response) => done(response.resume().statusCode));
    for (let times = 0; times < 17; times += 1) request.write(Buffer.alloc(2 ** 20));
    // It never ends.
    onTestFinished(() => void request.destroy());
  });
  expect(status).toBe(400);
});

test('a worker that is gone is said to be gone, to be asked again or not at all', async () => {
  const arrived = Promise.withResolvers<void>();
  const worker = await startWorker(() => arrived.resolve());
  const { address, register } = await startGateway({ livesMs: 60_000 });
  const path = `/sessions/${worker.id}/v1/chat/completions`;
  register({ ...worker, opens: true });
  const under = ask(address, path, { body: '{}' });
  await arrived.promise;
  worker.stop();
  expect(await under).toMatchObject({
    status: 503,
    text: expect.stringContaining('the worker of this session does not answer'),
  });
  const gone = await ask(address, path);
  expect([gone.status, gone.headers.get('retry-after')]).toEqual([503, '1']);
  expect((await ask(address, '/sessions')).status).toBe(503);
});

test('P3: a request at a worker that has not been heard of for too long is not waited for', async () => {
  const arrived = Promise.withResolvers<void>();
  const worker = await startWorker(() => arrived.resolve());
  const { address, register } = await startGateway({ livesMs: 300 });
  register({ ...worker, opens: false });
  const again = setInterval(() => register({ ...worker, opens: false }), 20);
  const lost = ask(address, `/sessions/${worker.id}/v1/x`);
  await arrived.promise;
  clearInterval(again);
  expect(await lost).toMatchObject({ status: 503, text: expect.stringContaining('has not been heard of for 300 ms') });
});

test('P10: a worker that has not registered yet, or not again, is to be asked again', async () => {
  const worker = await startWorker((_request, response) => response.end('tea'));
  const { address, register } = await startGateway({ livesMs: 600_000 });
  const path = `/sessions/${worker.id}/v1/x`;
  const early = await ask(address, path);
  // As often as workers register.
  expect([early.status, early.headers.get('retry-after')]).toEqual([503, '200']);
  expect((await ask(address, '/sessions/none/v1/x')).status).toBe(404);
  register({ ...worker, opens: false });
  expect(await ask(address, path)).toMatchObject({ status: 200, text: 'tea' });
});

test('a worker may return as long as a registration lives: after the start, and after its own lapsed', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const registry = createWorkerRegistry(1_000);
  const mayReturn = ['a', 'b'].map((name) => () => registry.mayReturn(name));
  const now = (): readonly boolean[] => mayReturn.map((may) => may());
  vi.advanceTimersByTime(999);
  expect(now()).toEqual([true, true]);
  registry.register({ workerToken: 'a', address: '127.0.0.1:1', opens: false });
  vi.advanceTimersByTime(1);
  expect(now()).toEqual([false, false]);
  vi.advanceTimersByTime(999);
  expect([registry.find('a'), ...now()]).toEqual([undefined, true, false]);
  registry.register({ workerToken: 'a', address: '127.0.0.1:1', opens: false });
  vi.advanceTimersByTime(1_999);
  expect(now()).toEqual([true, false]);
  vi.advanceTimersByTime(1);
  expect(now()).toEqual([false, false]);
});

test('an answer that its worker breaks off is counted as broken, and one that its client leaves is not', async () => {
  const begun = Promise.withResolvers<void>();
  const worker = await startWorker((request, response) => {
    response.writeHead(200).write('half');
    if (request.url?.endsWith('/breaks') === true) response.socket?.destroySoon();
    else begun.resolve();
  });
  const { address, register, metrics } = await startGateway();
  register({ ...worker, opens: false });
  await expect(ask(address, `/sessions/${worker.id}/v1/breaks`)).rejects.toThrow();
  const counted = async (outcome: string): Promise<string | undefined> =>
    new RegExp(`^gradus_session_requests_total{outcome="${outcome}"} (.*)$`, 'm').exec(
      await metrics.registry.metrics(),
    )?.[1];
  await expect.poll(() => counted('broken')).toBe('1');
  const leaves = new AbortController();
  const left = fetch(`http://${address}/sessions/${worker.id}/v1/waits`, { method: 'POST', signal: leaves.signal });
  await begun.promise;
  await left;
  leaves.abort();
  await expect.poll(() => counted('forwarded')).toBe('1');
  expect(await counted('broken')).toBe('1');
});

test('a session is opened where an episode waits', async () => {
  const asked: string[] = [];
  const at = async (name: string, status: number) =>
    await startWorker((request, response) => {
      void text(request).then((body) => {
        asked.push(`${name} ${request.url} ${body}`);
        response.writeHead(status).end(name);
      });
    });
  const { address, register } = await startGateway();
  const [none, waits, other] = [await at('none', 503), await at('waits', 200), await at('other', 200)];
  register({ ...none, opens: true });
  expect(await ask(address, '/sessions')).toMatchObject({ status: 503, text: expect.stringContaining('ask again') });
  register({ ...waits, opens: true });
  register({ ...other, opens: false });
  for (let times = 0; times < 3; times += 1)
    expect(await ask(address, '/sessions', { body: '{}' })).toMatchObject({ status: 200, text: 'waits' });
  expect(asked).not.toContain('other /sessions {}');
  expect((await ask(address, '/sessions', { body: ' '.repeat(100_000) })).status).toBe(400);
});

test('nothing that a client writes says where a request goes', async () => {
  const { address, register } = await startGateway();
  const paths = [
    '/',
    '/sessions/127.0.0.1:1/v1/x',
    'http://127.0.0.1:1/sessions/a/b',
    '/sessions/../v1/x',
    `/sessions/${'a'.repeat(2_000)}/x`,
  ];
  for (const path of paths) {
    const status = await new Promise((done) => {
      const [host, port] = address.split(':');
      requestHttp({ host, port, path, method: 'POST' }, (response) => done(response.resume().statusCode)).end();
    });
    expect([path, status]).toEqual([path, 404]);
  }
  expect((await ask(address, '/v1/models', { headers: { authorization: 'Bearer 127.0.0.1:1' } })).status).toBe(401);
  const worker = { workerToken: createWorkerToken(), opens: false };
  expect(() => register({ ...worker, address: '10.0.0.1:80' })).toThrow(
    /another machine.*--tls-cert.*--insecure-remote/,
  );
  expect(() => register({ ...worker, address: 'http://127.0.0.1:80' })).toThrow(/address must be host:port/);
  expect(() => register({ ...worker, workerToken: '', address: '127.0.0.1:80' })).toThrow(/worker_token/);
  const page = { host: 'evil.example', origin: 'http://evil.example' };
  const [host, port] = address.split(':');
  const status = await new Promise((done) => {
    requestHttp({ host, port, path: '/v1/models', headers: page }, (response) =>
      done(response.resume().statusCode),
    ).end();
  });
  expect(status).toBe(403);
});
