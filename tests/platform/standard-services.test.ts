import { once } from 'node:events';
import { createServer } from 'node:net';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import type { Client } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { service as healthService } from 'grpc-health-check';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test } from 'vitest';

import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { createHealthClient } from '#platform/grpc/health-client.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';

const name = 'gradus.retrieval.v1.RetrievalService';

async function startServer() {
  const server = createGrpcServer({ log: pino({ level: 'silent' }), metrics: createMetrics() });
  server.add(RetrievalService, {
    search: async () => ({}),
    fetch: async () => ({}),
    describe: async () => ({}),
    reload: async () => ({}),
  });
  const address = await server.listen('127.0.0.1:0');
  onTestFinished(() => server.drain(0));
  return { server, address };
}

/** As a probe or grpcurl would call: knowing nothing of our generated code. */
function foreignClient(definition: Parameters<typeof makeGenericClientConstructor>[0], address: string): Client {
  const client = new (makeGenericClientConstructor(definition, 'Foreign'))(address, credentials.createInsecure());
  onTestFinished(() => client.close());
  return client;
}

describe('health', () => {
  function check(address: string, service: string): Promise<unknown> {
    const { check: method } = { check: healthService['Check'] };
    if (method === undefined) throw new Error('the health service has no Check');
    const client = foreignClient(healthService, address);
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        method.path,
        (request: object) => method.requestSerialize(request),
        (bytes) => method.responseDeserialize(bytes),
        { service },
        (error, response) => (error === null ? resolve(response) : reject(error)),
      );
    });
  }

  test('the server and each service are SERVING after listen, and NOT_SERVING when it is set so', async () => {
    const { server, address } = await startServer();
    expect(await check(address, '')).toMatchObject({ status: 'SERVING' });
    expect(await check(address, name)).toMatchObject({ status: 'SERVING' });
    server.setServing(false);
    expect(await check(address, name)).toMatchObject({ status: 'NOT_SERVING' });
    // For probes that restart: it lives.
    expect(await check(address, 'liveness')).toMatchObject({ status: 'SERVING' });
    server.setServing(true);
    expect(await check(address, '')).toMatchObject({ status: 'SERVING' });
  });

  test('our own client distinguishes answers from silence: a port that nothing answers at, and a server that does not serve', async () => {
    const { server, address } = await startServer();
    using client = createHealthClient(address);
    expect(await client.ask(60_000)).toBe('serving');
    server.setServing(false);
    expect(await client.ask(60_000)).toBe('not_serving');
    // A name that the server does not know is an answer.
    using unknown = createHealthClient(address, 'gradus.none');
    expect(await unknown.ask(60_000)).toBe('serving');
    const mute = createServer().listen(0, '127.0.0.1');
    await once(mute, 'listening');
    onTestFinished(() => void mute.close());
    const bound = mute.address();
    using silent = createHealthClient(`127.0.0.1:${typeof bound === 'object' ? bound?.port : ''}`);
    await expect(silent.ask(300)).rejects.toThrow(/127\.0\.0\.1:\d+ does not answer/);
  });

  test('a service that is not here is unknown', async () => {
    const { address } = await startServer();
    await expect(check(address, 'gradus.none')).rejects.toMatchObject({ code: 5 });
  });
});

describe.each(['v1', 'v1alpha'])('reflection %s', (version) => {
  const file = new URL(
    `../../node_modules/@grpc/reflection/build/proto/grpc/reflection/${version}/reflection.proto`,
    import.meta.url,
  );
  const definition = loadSync(file.pathname)[`grpc.reflection.${version}.ServerReflection`];

  async function ask(address: string, request: object): Promise<unknown> {
    if (definition === undefined || 'format' in definition) throw new Error('no reflection service');
    const method = definition['ServerReflectionInfo'];
    if (method === undefined) throw new Error('no reflection method');
    const call = foreignClient(definition, address).makeBidiStreamRequest(
      method.path,
      (message: object) => method.requestSerialize(message),
      (bytes) => method.responseDeserialize(bytes),
    );
    call.write(request);
    const [response] = await call.take(1).toArray();
    call.cancel();
    return response;
  }

  test('it lists our services and health', async () => {
    const { address } = await startServer();
    const response = await ask(address, { listServices: '*' });
    expect(response).toMatchObject({
      listServicesResponse: { service: expect.arrayContaining([{ name }, { name: 'grpc.health.v1.Health' }]) },
    });
  });

  test('it gives the files of a service exactly as the contracts are written', async () => {
    const { address } = await startServer();
    const response = await ask(address, { fileContainingSymbol: name });
    const encoded: unknown = Object(Object(response).fileDescriptorResponse).fileDescriptorProto;
    const files = (Array.isArray(encoded) ? encoded : []).map((bytes: Uint8Array) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );
    expect(files.map((descriptor) => descriptor.name)).toEqual(
      expect.arrayContaining(['gradus/retrieval/v1/retrieval_service.proto', 'gradus/retrieval/v1/retrieval.proto']),
    );
    const messages = files.flatMap(({ messageType }) => messageType);
    const search = messages.find((message) => message.name === 'SearchRequest');
    expect(search?.field.map((field) => field.name)).toEqual(['queries', 'top_k', 'mode', 'rerank', 'with_text']);
  });
});
