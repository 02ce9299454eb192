import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createHttpConnection, encodeHttpCall } from './http-connection.ts';
import { runLoad, type LoadTarget } from './run-load.ts';

/** Clients of a server that does `answer` with its nth request, counted from 1. */
async function targetOf(
  clients: number,
  answer: (response: ServerResponse, call: number) => void,
): Promise<LoadTarget> {
  let calls = 0;
  const server = createServer((request, response) => {
    request.resume().on('end', () => answer(response, (calls += 1)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  // A server that listens on TCP has an address of this type.
  const { port } = server.address() as AddressInfo;
  const connections = Array.from({ length: clients }, () => createHttpConnection('127.0.0.1', port));
  onTestFinished(() => connections.forEach((connection) => connection.close()));
  return {
    connections,
    connectionOf: (client) => connections[client] ?? createHttpConnection('127.0.0.1', port),
    requests: [encodeHttpCall('/', 'localhost', 'a'), encodeHttpCall('/', 'localhost', 'b')],
    judge: (_request, reply) =>
      reply.kind === 'failed' ? reply : { kind: reply.body.toString() === 'right' ? 'right' : 'wrong' },
    onMeasure: () => {},
  };
}

function respond(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-length': body.length }).end(body);
}

test('a closed loop accounts for every call: right, wrong, refused and broken off', async () => {
  const target = await targetOf(4, (response, call) => {
    if (call % 11 === 0) response.socket?.destroy();
    else if (call % 7 === 0) respond(response, 503, 'busy');
    else respond(response, 200, call % 5 === 0 ? 'wrong' : 'right');
  });
  const report = await runLoad({ clients: 4, warmUpMs: 20, measureMs: 1_000, timeoutMs: 60_000 }, target);
  expect(report.lost).toBe(0);
  expect(report.wrong).toBeGreaterThan(0);
  expect(report.right + report.wrong + report.errors).toBe(report.calls);
  expect(report.errorsByReason['http status 503']).toBeGreaterThan(0);
  expect(report.errorsByReason['connection closed']).toBeGreaterThan(0);
});

test('a call that is never answered ends when its time is up, and its client goes on', async () => {
  const target = await targetOf(2, (response, call) => {
    if (call !== 3) respond(response, 200, 'right');
  });
  const report = await runLoad({ clients: 2, warmUpMs: 0, measureMs: 2_000, timeoutMs: 1_000 }, target);
  expect(report.lost).toBe(0);
  expect(report.errorsByReason).toEqual({ 'no answer in time': 1 });
  expect(report.right).toBeGreaterThan(2);
});

test('paced calls that find every client busy are timed from when they were due', async () => {
  // The server holds its answer to the first call until many more are due; those wait for the only client.
  let calls = 0;
  const target = await targetOf(1, (response) => {
    calls += 1;
    setTimeout(respond, calls === 1 ? 200 : 0, response, 200, 'right');
  });
  const plan = { clients: 1, warmUpMs: 0, measureMs: 250, timeoutMs: 60_000, callsPerSecond: 200 };
  const report = await runLoad(plan, target);
  expect(report.right).toBe(report.calls);
  expect(report.calls).toBeGreaterThan(20);
  // Sent late, they would each look fast: half of them were due while the first one waited.
  expect(report.p50Ms).toBeGreaterThan(20);
});
