import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { describe, expect, onTestFinished, test } from 'vitest';

import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { TerminalError, TransientError } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { startTracing, withSpan } from '#platform/telemetry/tracing.ts';

import { silentLog as log } from './fixtures.ts';
import { startTestRetrieval } from './retrieval.ts';
import { lastingAddress } from '../fixtures/lasting-port.ts';

describe('unary calls', () => {
  test('request and response arrive as typed messages, plain objects included', async () => {
    const { client } = await startTestRetrieval({
      search: async ({ queries, topK }) => ({
        results: queries.map((query) => ({ hits: [{ id: query.toUpperCase(), score: topK }] })),
      }),
    });
    const response = await client.search({ queries: ['a', 'b'], topK: 2 });
    expect(response.$typeName).toBe('gradus.retrieval.v1.SearchResponse');
    expect(response.results.map(({ hits }) => hits[0]?.id)).toEqual(['A', 'B']);
  });

  test('an error keeps its class, code, details and wait across the call', async () => {
    const { client } = await startTestRetrieval({
      search: async () => {
        throw new TransientError('resource_exhausted', 'queue is full', {
          retryAfterMs: 250,
          details: { queued: 64 },
        });
      },
      fetch: async () => {
        throw new TerminalError('invalid_argument', "ids: must not be empty, got '[]'");
      },
    });
    await expect(client.search({})).rejects.toMatchObject({
      name: 'TransientError',
      code: 'resource_exhausted',
      retryAfterMs: 250,
      details: { queued: 64 },
    });
    await expect(client.fetch({})).rejects.toMatchObject({
      name: 'TerminalError',
      code: 'invalid_argument',
      message: expect.stringMatching(/RetrievalService\.Fetch at 127.*ids: must not be empty/),
    });
  });

  test('an error message with characters beyond ASCII survives the trailers', async () => {
    const { client } = await startTestRetrieval({
      search: async () => {
        throw new TerminalError('invalid_argument', 'Größe „80 %“\nzu viel ✗');
      },
    });
    await expect(client.search({})).rejects.toThrow('Größe „80 %“\nzu viel ✗');
  });

  test('metadata of the caller reaches the handler', async () => {
    let run: unknown;
    const { client } = await startTestRetrieval({
      search: async (_, { metadata }) => {
        [run] = metadata.get('gradus-run');
        return {};
      },
    });
    await client.search({}, { metadata: { 'gradus-run': 'r1' } });
    expect(run).toBe('r1');
  });

  test('the code of a service that does not run is unavailable, and it is used again once it is back', async () => {
    const first = createGrpcServer({ log, metrics: createMetrics() });
    const handlers = {
      search: async () => ({}),
      fetch: async () => ({}),
      describe: async () => ({}),
      reload: async () => ({}),
    };
    first.add(RetrievalService, handlers);
    const address = await first.listen(await lastingAddress());
    const client = createGrpcClient(RetrievalService, address, { timeoutMs: 60_000 });
    await client.search({});
    await first.drain(0);
    await expect(client.search({})).rejects.toMatchObject({ name: 'TransientError', code: 'unavailable' });
    await expect(client.ready({ timeoutMs: 50 })).rejects.toMatchObject({ code: 'unavailable' });
    const second = createGrpcServer({ log, metrics: createMetrics() });
    second.add(RetrievalService, handlers);
    await second.listen(address);
    await client.ready({ timeoutMs: 60_000 });
    await client.search({});
    client.close();
    await second.drain(0);
  });

  test('messages of megabytes pass, those over 64 MiB are refused as the caller’s fault', async () => {
    const { client } = await startTestRetrieval({
      fetch: async ({ ids }) => ({ missingIds: ids }),
    });
    const large = 'x'.repeat(20 * 1024 * 1024);
    expect((await client.fetch({ ids: [large] })).missingIds[0]?.length).toBe(large.length);
    const tooLarge = Array.from({ length: 4 }, () => large);
    await expect(client.fetch({ ids: tooLarge })).rejects.toMatchObject({ name: 'TerminalError' });
    await client.describe({});
  });

  test('hundreds of calls at once share one connection', async () => {
    const all = Promise.withResolvers<void>();
    let running = 0;
    const { client } = await startTestRetrieval({
      search: async ({ topK }) => {
        running += 1;
        if (running === 1_000) all.resolve();
        await all.promise;
        return { indexVersion: String(topK) };
      },
    });
    const answers = await Promise.all(Array.from({ length: 1_000 }, (_, topK) => client.search({ topK })));
    expect(answers.map(({ indexVersion }) => Number(indexVersion))).toEqual(answers.map((_, index) => index));
  });
});

test('a port in use is a clear error', async () => {
  const { address } = await startTestRetrieval({});
  const second = createGrpcServer({ log, metrics: createMetrics() });
  await expect(second.listen(address)).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringMatching(/cannot listen on 127.*in use by another process; choose another one, or port 0/),
  });
});

test('calls are counted and timed by method and status', async () => {
  const { client, metrics } = await startTestRetrieval({
    search: async () => {
      throw new TerminalError('not_found', 'no');
    },
  });
  await client.describe({});
  await client.search({}).catch(() => {});
  const text = await metrics.render();
  const service = 'gradus.retrieval.v1.RetrievalService';
  expect(text).toContain(`gradus_grpc_requests_total{method="${service}/Describe",code="ok"} 1`);
  expect(text).toContain(`gradus_grpc_requests_total{method="${service}/Search",code="not_found"} 1`);
  expect(text).toContain(`gradus_grpc_running_requests{method="${service}/Search"} 0`);
  expect(text).toContain(`gradus_grpc_request_seconds_count{method="${service}/Describe"} 1`);
});

test('P7: the trace of the caller goes on in the handler and in what the handler calls', async () => {
  const exporter = new InMemorySpanExporter();
  const tracing = await startTracing({ service: 'test', processor: new SimpleSpanProcessor(exporter) });
  onTestFinished(() => tracing.shutdown());
  const inner = await startTestRetrieval({});
  const outer = await startTestRetrieval({
    search: async (_, { signal }) => {
      await inner.client.describe({}, { signal });
      return {};
    },
  });
  await withSpan('rollout', {}, async () => {
    await outer.client.search({});
  });
  const spans = exporter.getFinishedSpans();
  expect(spans.map(({ name }) => name)).toEqual([
    'gradus.retrieval.v1.RetrievalService/Describe',
    'gradus.retrieval.v1.RetrievalService/Search',
    'rollout',
  ]);
  expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1);
});
