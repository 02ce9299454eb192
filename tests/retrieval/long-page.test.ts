import { expect, onTestFinished, test } from 'vitest';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { createLifecycle } from '#platform/runtime/lifecycle.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { retrievalConfig } from '../../services/retrieval/config.ts';
import { startRetrieval } from '../../services/retrieval/service.ts';
import { createRetrievalSource } from '../../services/environments/search/retrieval-source.ts';
import { silentLog } from '../platform/fixtures.ts';
import { writeCorpus } from './http-api.ts';

test('a page of more than one part reaches a rollout whole, next to short ones asked for in the same moment', async () => {
  const lifecycle = createLifecycle(silentLog);
  onTestFinished(async () => {
    lifecycle.stop('the test is over');
    await lifecycle.drain(5_000);
  });
  const text = `x${'😀'.repeat(600_000)}`;
  expect(text.length).toBeGreaterThan(1_000_000);
  const corpus = await writeCorpus([
    { id: 'short', title: 'Short', text: 'Short.' },
    { id: 'long', title: 'Long', text },
  ]);
  const { grpc } = await startRetrieval(loadConfig(retrievalConfig, { argv: ['--corpus', corpus] }), {
    name: 'retrieval',
    log: silentLog,
    metrics: createMetrics(),
    signal: lifecycle.signal,
    defer: (what, dispose) => lifecycle.defer(what, dispose),
    fail: (error) => lifecycle.fail(error),
  });
  lifecycle.serving();
  const client = createGrpcClient(RetrievalService, grpc, { timeoutMs: 60_000 });
  onTestFinished(() => client.close());
  const tools = createRetrievalSource(client);
  const { signal } = new AbortController();
  const [short, long, none] = await Promise.all(['short', 'long', 'none'].map((id) => tools.fetch(id, { signal })));
  expect(short).toMatchObject({ id: 'short', text: 'Short.' });
  expect(long).toMatchObject({ id: 'long', title: 'Long' });
  expect(long?.text === text).toBe(true);
  expect(none).toBeUndefined();
});
