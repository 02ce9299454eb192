import { onTestFinished } from 'vitest';

import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import type { CallContext, Handlers } from '#platform/grpc/server.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';

import { silentLog as log, unwanted } from './fixtures.ts';

/** A retrieval service of which a test replaces what it looks at. */
export async function startTestRetrieval(handlers: Partial<Handlers<typeof RetrievalService>>) {
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
export function callGate() {
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
