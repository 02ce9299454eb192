import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, it } from 'vitest';
import { createServerHttp } from './server-http.ts';

const { signal } = new AbortController();

/** Answers each request of a connection but for the second, on which it closes it. */
async function closing() {
  let connections = 0;
  const server = createServer((request, response) => {
    const socket = Object.assign(request.socket, { served: Number(Reflect.get(request.socket, 'served') ?? 0) + 1 });
    if (socket.served === 2) return void socket.resetAndDestroy();
    return void response.end(`${request.method} ${request.url}`);
  }).listen(0, '127.0.0.1');
  server.on('connection', () => (connections += 1));
  await once(server, 'listening');
  const address = server.address();
  return {
    baseUrl: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/v1`,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

it('a connection that was kept and is found closed is replaced without an error', async () => {
  await using server = await closing();
  const http = createServerHttp('server', server.baseUrl);
  expect(await http.get('/a', signal)).toBe('GET /v1/a');
  expect(await http.post('/b', { x: 1 }, signal)).toBe('POST /v1/b');
  expect(server.connections()).toBe(2);
  http.close();
});

it('a call whose caller is gone ends as cancelled, and what is not there as unavailable', async () => {
  const { baseUrl } = await (async () => {
    await using server = await closing();
    return server;
  })();
  const http = createServerHttp('server', baseUrl);
  await expect(http.get('/a', signal)).rejects.toMatchObject({ name: 'TransientError', code: 'unavailable' });
  await expect(http.get('/a', AbortSignal.abort())).rejects.toMatchObject({ name: 'CancelledError' });
});

it('an answer beyond all bounds is not read to its end, and is no sign that the server is gone', async () => {
  const part = Buffer.alloc(8 * 2 ** 20, 32);
  const server = createServer((_request, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(part));
    };
    response.on('drain', more);
    more();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const http = createServerHttp('server', `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`);
  try {
    await expect(http.get('/endless', signal)).rejects.toMatchObject({
      code: 'aborted',
      message: 'server answered GET /endless with more than 268435456 bytes',
    });
  } finally {
    http.close();
    server.closeAllConnections();
    server.close();
  }
}, 120_000);
