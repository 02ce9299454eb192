import { createConnection } from 'node:net';
import { text } from 'node:stream/consumers';

import { expect, test } from 'vitest';

import { createMetrics } from '../telemetry/metrics.ts';
import { startMetricsServer } from './metrics-server.ts';

/** The first line of the answer to a request target as it stands, which `fetch` would not send. */
async function statusOf(address: string, target: string, method = 'GET'): Promise<string> {
  const [host = '', port = ''] = address.split(':');
  const socket = createConnection({ host, port: Number(port) });
  socket.write(`${method} ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  return (await text(socket)).split('\r\n', 1)[0] ?? '';
}

test('no request target ends the process, and known ones are answered with or without a query', async () => {
  let serving = false;
  await using server = await startMetricsServer('127.0.0.1:0', createMetrics(), () => serving);
  for (const target of ['//', '//[', '*', '/nothing', 'http://[/metrics']) {
    expect(await statusOf(server.address, target), target).toBe('HTTP/1.1 404 Not Found');
  }
  expect(await statusOf(server.address, '/metrics?x=1')).toBe('HTTP/1.1 200 OK');
  expect(await statusOf(server.address, '/healthz')).toBe('HTTP/1.1 503 Service Unavailable');
  serving = true;
  expect(await statusOf(server.address, '/healthz')).toBe('HTTP/1.1 200 OK');
  expect(await statusOf(server.address, '/metrics', 'POST')).toBe('HTTP/1.1 405 Method Not Allowed');
});

test('a port in use is refused by name, with the way out', async () => {
  await using first = await startMetricsServer('127.0.0.1:0', createMetrics(), () => true);
  await expect(startMetricsServer(first.address, createMetrics(), () => true)).rejects.toThrow(
    `cannot serve metrics on ${first.address}: the port is in use by another process`,
  );
});
