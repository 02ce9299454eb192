import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { repositoryRoot } from '../../services/platform/repository.ts';
import { fivePages, writeCorpus } from './http-api.ts';

const gradus = `${repositoryRoot}/services/cli/bin/gradus`;

/** As the issue and the README write it; no NATS and no other service runs here. */
function serve(...flags: readonly string[]) {
  const child = spawn(gradus, ['serve', 'retrieval', ...flags], {
    cwd: repositoryRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await exit;
  });
  return { child, exit };
}

test('serve retrieval prints one line with http and grpc once both answer, and ends with 0 on SIGTERM', async () => {
  const corpus = await writeCorpus(fivePages);
  const flags = [
    '--analyzer',
    'standard',
    '--k1',
    '1.2',
    '--b',
    '.75',
    '--http',
    '127.0.0.1:0',
    '--grpc',
    '127.0.0.1:0',
  ];
  const { child, exit } = serve('--corpus', corpus, ...flags);
  const lines: string[] = [];
  for await (const line of createInterface(child.stdout)) {
    lines.push(line);
    const address = z.string().regex(/^127\.0\.0\.1:[1-9]\d*$/);
    const ready = z.object({ service: z.literal('retrieval'), http: address, grpc: address }).parse(JSON.parse(line));
    const response = await fetch(`http://${ready.http}/retrieve`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ queries: ['Halvard'], topk: 1 }),
    });
    expect(await response.json()).toMatchObject({ result: [[{ id: '0007' }]] });
    const retrieval = createGrpcClient(RetrievalService, ready.grpc, { timeoutMs: 60_000 });
    const { results } = await retrieval.search({ queries: ['Halvard'], topK: 1 });
    expect(results[0]?.hits[0]?.id).toBe('0007');
    retrieval.close();
    child.kill('SIGTERM');
  }
  expect(lines).toHaveLength(1);
  expect(await exit).toBe(0);
});

test('without --http nothing but gRPC is served', async () => {
  const { child } = serve('--corpus', await writeCorpus(fivePages));
  for await (const line of createInterface(child.stdout)) {
    expect(Object.keys(JSON.parse(line))).toEqual(['service', 'grpc', 'metrics']);
    child.kill('SIGTERM');
  }
});

test.each([
  [['--http', '0.0.0.0:0'], 2, /http: '0\.0\.0\.0:0' is reachable from other machines/],
  [['--http', '127.0.0.1'], 2, /http: must be host:port, for example 127\.0\.0\.1:0/],
  [['--http', '127.0.0.1:0', '--http-timeout-ms', '0'], 2, /httpTimeoutMs: /],
])('serve retrieval %j ends with %d and says why', async (flags, code, reason) => {
  const { child, exit } = serve('--corpus', await writeCorpus(fivePages), ...flags);
  const errors = (await child.stderr.setEncoding('utf8').toArray()).join('');
  expect(await exit).toBe(code);
  expect(errors).toMatch(reason);
});

test('a port that is taken ends the service with 1 and names the port', async () => {
  const corpus = await writeCorpus(fivePages);
  const first = serve('--corpus', corpus, '--http', '127.0.0.1:0');
  for await (const line of createInterface(first.child.stdout)) {
    const { http } = z.object({ http: z.string() }).parse(JSON.parse(line));
    const { child, exit } = serve('--corpus', corpus, '--http', http);
    const errors = (await child.stderr.setEncoding('utf8').toArray()).join('');
    expect(await exit).toBe(1);
    expect(errors).toContain(`cannot serve HTTP on ${http}: the port is in use by another process`);
    first.child.kill('SIGTERM');
  }
});
