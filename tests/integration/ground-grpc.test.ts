import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { describe, expect, onTestFinished, test } from 'vitest';

import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { sleep } from '#shared/async/sleep.ts';
import { TerminalError, TransientError } from '#shared/errors.ts';
import { createGrpcClient } from '#shared/grpc/client.ts';
import { createGrpcServer } from '#shared/grpc/server.ts';
import type { CallContext, Handlers } from '#shared/grpc/server.ts';
import { createMetrics } from '#shared/telemetry/metrics.ts';
import { startTracing, withSpan } from '#shared/telemetry/tracing.ts';

import { silentLog as log, unwanted } from './ground-fixtures.ts';
import { lastingAddress } from '../fixtures/lasting-port.ts';

/** A retrieval service of which a test replaces what it looks at. */
async function startRetrieval(handlers: Partial<Handlers<typeof RetrievalService>>) {
  const metrics = createMetrics();
  const server = createGrpcServer({ log, metrics });
  server.add(RetrievalService, {
    search: async () => unwanted(),
    fetch: async () => unwanted(),
    describe: async () => ({ documents: 3n }),
    reload: async () => unwanted(),
    ...handlers,
  });
  const address = await server.listen('127.0.0.1:0');
  const client = createGrpcClient(RetrievalService, address, { timeoutMs: 60_000 });
  onTestFinished(async () => {
    client.close();
    await server.drain(0);
  });
  return { server, client, metrics, address };
}

/** A promise that a handler waits for, and word that it does. */
function gate() {
  const reached = Promise.withResolvers<CallContext>();
  const opened = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<unknown>();
  return {
    reached: reached.promise,
    open: () => opened.resolve(),
    /** The reason with which the handler's signal aborted. */
    ended: ended.promise,
    async pass(call: CallContext): Promise<void> {
      call.signal.addEventListener('abort', () => ended.resolve(call.signal.reason), { once: true });
      reached.resolve(call);
      await opened.promise;
    },
  };
}

describe('unary calls', () => {
  test('request and response arrive as typed messages, plain objects included', async () => {
    const { client } = await startRetrieval({
      search: async ({ queries, topK }) => ({
        results: queries.map((query) => ({ hits: [{ id: query.toUpperCase(), score: topK }] })),
      }),
    });
    const response = await client.search({ queries: ['a', 'b'], topK: 2 });
    expect(response.$typeName).toBe('gradus.retrieval.v1.SearchResponse');
    expect(response.results.map(({ hits }) => hits[0]?.id)).toEqual(['A', 'B']);
  });

  test('an error keeps its class, code, details and wait across the call', async () => {
    const { client } = await startRetrieval({
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
    const { client } = await startRetrieval({
      search: async () => {
        throw new TerminalError('invalid_argument', 'Größe „80 %“\nzu viel ✗');
      },
    });
    await expect(client.search({})).rejects.toThrow('Größe „80 %“\nzu viel ✗');
  });

  test('P3: the deadline of the caller reaches the handler and ends the call', async () => {
    const hold = gate();
    const { client } = await startRetrieval({
      search: async (_, call) => {
        await hold.pass(call);
        return {};
      },
    });
    // Once connected, the call is at the handler long before its deadline.
    await client.describe({});
    const before = Date.now();
    const calling = client.search({}, { timeoutMs: 1_000 });
    const { deadlineMs } = await hold.reached;
    expect(deadlineMs).toBeGreaterThan(before);
    expect(deadlineMs).toBeLessThanOrEqual(Date.now() + 1_000);
    await expect(calling).rejects.toMatchObject({ name: 'CancelledError', code: 'deadline_exceeded' });
    expect(await hold.ended).toMatchObject({ name: 'CancelledError' });
    hold.open();
  });

  test('cancelling a call aborts the handler', async () => {
    const hold = gate();
    const { client } = await startRetrieval({
      search: async (_, call) => {
        await hold.pass(call);
        return {};
      },
    });
    const controller = new AbortController();
    const calling = client.search({}, { signal: controller.signal });
    await hold.reached;
    controller.abort(new Error('the rollout was given up'));
    await expect(calling).rejects.toMatchObject({ code: 'cancelled', message: 'the rollout was given up' });
    expect(await hold.ended).toMatchObject({ name: 'CancelledError', code: 'cancelled' });
    hold.open();
  });

  test('a signal that has aborted before starts no call', async () => {
    let calls = 0;
    const { client } = await startRetrieval({
      search: async () => {
        calls += 1;
        return {};
      },
    });
    await expect(client.search({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
    await client.describe({});
    expect(calls).toBe(0);
  });

  test('a normal end does not abort the handler’s signal while it runs', async () => {
    let aborted: boolean | undefined;
    const { client } = await startRetrieval({
      search: async (_, { signal }) => {
        await sleep(20);
        aborted = signal.aborted;
        return {};
      },
    });
    await client.search({});
    expect(aborted).toBe(false);
  });

  test('metadata of the caller reaches the handler', async () => {
    let run: unknown;
    const { client } = await startRetrieval({
      search: async (_, { metadata }) => {
        [run] = metadata.get('gradus-run');
        return {};
      },
    });
    await client.search({}, { metadata: { 'gradus-run': 'r1' } });
    expect(run).toBe('r1');
  });

  test('a service that is away is unavailable, and is used again once it is back', async () => {
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
    const { client } = await startRetrieval({
      fetch: async ({ ids }) => ({ missingIds: ids }),
    });
    const large = 'x'.repeat(20 * 1024 * 1024);
    expect((await client.fetch({ ids: [large] })).missingIds[0]?.length).toBe(large.length);
    const tooLarge = Array.from({ length: 4 }, () => large);
    await expect(client.fetch({ ids: tooLarge })).rejects.toMatchObject({ name: 'TerminalError' });
    await client.describe({});
  });

  test('hundreds of calls at once share one connection', async () => {
    const { client } = await startRetrieval({
      search: async ({ topK }) => {
        await sleep(5);
        return { indexVersion: String(topK) };
      },
    });
    const answers = await Promise.all(Array.from({ length: 1_000 }, (_, topK) => client.search({ topK })));
    expect(answers.map(({ indexVersion }) => Number(indexVersion))).toEqual(answers.map((_, index) => index));
  });
});

describe('drain', () => {
  test('running calls finish, new ones are refused', async () => {
    const hold = gate();
    const { client, server } = await startRetrieval({
      search: async (_, call) => {
        await hold.pass(call);
        return { indexVersion: 'finished' };
      },
    });
    const calling = client.search({});
    await hold.reached;
    const draining = server.drain(60_000);
    await expect(client.describe({})).rejects.toMatchObject({ code: 'unavailable' });
    hold.open();
    await expect(calling).resolves.toMatchObject({ indexVersion: 'finished' });
    await draining;
  });

  test('P3: calls that do not end in time are cancelled', async () => {
    const hold = gate();
    const { client, server } = await startRetrieval({
      search: async (_, call) => {
        await hold.pass(call);
        return {};
      },
    });
    const calling = client.search({});
    // The outcome is looked at after the drain.
    calling.catch(() => {});
    await hold.reached;
    await server.drain(20);
    await expect(calling).rejects.toMatchObject({ name: expect.stringMatching(/Transient|Cancelled/) });
    expect(await hold.ended).toMatchObject({ name: 'CancelledError' });
    hold.open();
  });
});

test('a port in use is a clear error', async () => {
  const { address } = await startRetrieval({});
  const second = createGrpcServer({ log, metrics: createMetrics() });
  await expect(second.listen(address)).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringMatching(/cannot listen on 127.*in use by another process; choose another one, or port 0/),
  });
});

test('calls are counted and timed by method and status', async () => {
  const { client, metrics } = await startRetrieval({
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
  const inner = await startRetrieval({});
  const outer = await startRetrieval({
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
