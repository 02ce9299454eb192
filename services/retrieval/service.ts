import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import type { RetrievalConfig } from './config.ts';
import { createRetrievalEvents } from './events.ts';
import { fetchInputs } from './fetch-inputs.ts';
import { describe } from './handlers/describe.ts';
import { fetch } from './handlers/fetch.ts';
import { search } from './handlers/search.ts';
import type { HttpServer } from '#platform/http/json-server.ts';
import type { HttpDependencies } from './http/start-http-server.ts';
import { hubSettingsFrom, type HubSettings } from './models/hub-settings.ts';
import { openRetriever } from './open-retriever.ts';

export async function startRetrieval(
  given: RetrievalConfig,
  ctx: ServiceContext,
  hub: HubSettings = hubSettingsFrom({}),
): Promise<{ grpc: string; http?: string }> {
  const events = createRetrievalEvents(ctx.log, ctx.metrics);
  const config = await fetchInputs(given, ctx);
  const retriever = await openRetriever(config, events, ctx, hub);
  const server = createGrpcServer({ log: ctx.log, metrics: ctx.metrics, security: ctx.security });
  server.add(RetrievalService, {
    search: (request, call) => search(retriever, events, request, call.signal),
    fetch: (request, call) => fetch(retriever, events, request, call.signal),
    describe: async () => describe(retriever),
    reload: (_request, call) => retriever.reload(call.signal),
  });
  const http = await startHttp(config, { ...ctx, events, retriever });
  ctx.defer('gRPC and HTTP servers', async () => {
    await Promise.all([server.drain(config.drainMs), http?.drain(config.drainMs)]);
  });
  const grpc = await server.listen(config.grpc);
  return http === undefined ? { grpc } : { grpc, http: http.address };
}

/** Loaded only when asked for: Fastify and MCP take a part of a second. */
async function startHttp(
  config: RetrievalConfig,
  dependencies: HttpDependencies & Pick<ServiceContext, 'security'>,
): Promise<HttpServer | undefined> {
  if (config.http === undefined) return undefined;
  const { startHttpServer } = await import('./http/start-http-server.ts');
  return await startHttpServer(config.http, { ...config, security: dependencies.security }, dependencies);
}
