import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { createGrpcServer } from '#shared/grpc/server.ts';
import type { ServiceContext } from '#shared/runtime/run-service.ts';
import type { RetrievalConfig } from './config.ts';
import { createRetrievalEvents } from './events.ts';
import { describe } from './handlers/describe.ts';
import { fetch } from './handlers/fetch.ts';
import { search } from './handlers/search.ts';
import { loadLibrary } from './load-library.ts';

export async function startRetrieval(config: RetrievalConfig, ctx: ServiceContext): Promise<{ grpc: string }> {
  const events = createRetrievalEvents(ctx.log, ctx.metrics);
  const library = await loadLibrary(config, events, ctx.signal);
  const server = createGrpcServer({ log: ctx.log, metrics: ctx.metrics });
  ctx.defer('gRPC server', () => server.drain(config.drainMs));
  server.add(RetrievalService, {
    search: (request, call) => search(library, events, request, call.signal),
    fetch: async (request) => fetch(library, events, request),
    describe: async () => describe(library, config),
  });
  return { grpc: await server.listen(config.grpc) };
}
