import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { expect, onTestFinished, test } from 'vitest';
import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { SearchRequestSchema, SearchResponseSchema } from '#proto/retrieval/v1/retrieval_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import type { Connection, Reply } from './connection.ts';
import { createGrpcConnection, encodeGrpcCall } from './grpc-connection.ts';

const path = `/${RetrievalService.typeName}/Search`;

/** A real gRPC server whose answers say what was asked; 'large' asks for a large one, 'fail' for none, 'hang' forever. */
async function connect(): Promise<{
  connection: Connection;
  requestOf(query: string): Buffer;
  drain(): Promise<void>;
}> {
  const server = createGrpcServer({
    log: createLogger({ service: 'test', level: 'silent' }),
    metrics: createMetrics(),
  });
  server.add(RetrievalService, {
    search: async ({ queries: [query = ''] }, { signal }) => {
      if (query === 'fail') throw new TerminalError('failed_precondition', 'as asked');
      if (query === 'hang') await new Promise((resolve) => signal.addEventListener('abort', resolve));
      return { results: [{ hits: [{ id: query, text: 'x'.repeat(query === 'large' ? 300_000 : 1) }] }] };
    },
    fetch: async () => ({}),
    describe: async () => ({}),
    reload: async () => ({}),
  });
  const address = await server.listen('127.0.0.1:0');
  const connection = createGrpcConnection('127.0.0.1', Number(address.split(':')[1]));
  onTestFinished(async () => {
    connection.close();
    await server.drain(0);
  });
  return {
    connection,
    requestOf: (query) =>
      encodeGrpcCall(
        path,
        address,
        30,
        toBinary(SearchRequestSchema, create(SearchRequestSchema, { queries: [query] })),
      ),
    drain: () => server.drain(0),
  };
}

function send(connection: Connection, request: Buffer): Promise<Reply> {
  return new Promise((resolve) => connection.call(request, resolve));
}

function idOf(reply: Reply): string {
  if (reply.kind === 'failed') return reply.reason;
  return fromBinary(SearchResponseSchema, reply.body).results[0]?.hits[0]?.id ?? '';
}

test('many calls at once over one connection each get their own answer', async () => {
  const { connection, requestOf } = await connect();
  const queries = Array.from({ length: 1_500 }, (_, call) => (call % 100 === 7 ? 'large' : `query ${call}`));
  const replies = await Promise.all(queries.map((query) => send(connection, requestOf(query))));
  expect(replies.map(idOf)).toEqual(queries);
});

test('an error is reported by its status', async () => {
  const { connection, requestOf } = await connect();
  const replies = await Promise.all(['a', 'fail', 'b'].map((query) => send(connection, requestOf(query))));
  expect(replies.map(idOf)).toEqual(['a', 'grpc status 9', 'b']);
});

test('a call without an answer fails when it expires', async () => {
  const { connection, requestOf } = await connect();
  const hanging = send(connection, requestOf('hang'));
  expect(idOf(await send(connection, requestOf('a')))).toBe('a');
  connection.expire(performance.now());
  expect(await hanging).toEqual({ kind: 'failed', reason: 'no answer in time' });
});

test('calls under way fail when the server closes the connection', async () => {
  const { connection, requestOf, drain } = await connect();
  const hanging = send(connection, requestOf('hang'));
  expect(idOf(await send(connection, requestOf('a')))).toBe('a');
  await drain();
  expect((await hanging).kind).toBe('failed');
});
