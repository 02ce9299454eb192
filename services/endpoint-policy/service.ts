import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { createSemaphore, type Semaphore } from '#platform/async/semaphore.ts';
import { createChatEndpoint, type ChatEndpoint } from '#endpoint/chat-endpoint.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import { readKeyVariable } from '#endpoint/api-key.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import type { EndpointPolicyConfig } from './config.ts';
import { createEndpointPolicyEvents, type EndpointPolicyEvents } from './events.ts';
import { describe } from './handlers/describe.ts';
import { addEngine, loadVersion, removeEngine } from './handlers/fixed-policy.ts';
import { generate } from './handlers/generate.ts';
import { tokenize } from './handlers/tokenize.ts';

export interface EndpointPolicyContext {
  readonly config: EndpointPolicyConfig;
  readonly endpoint: ChatEndpoint;
  readonly slots: Semaphore;
  readonly events: EndpointPolicyEvents;
}

export async function startEndpointPolicy(
  config: EndpointPolicyConfig,
  ctx: ServiceContext,
  environment: NodeJS.ProcessEnv,
): Promise<Readonly<Record<string, string>>> {
  const { apiKeyEnv } = config;
  const apiKey = apiKeyEnv === undefined ? undefined : readKeyVariable('apiKeyEnv', apiKeyEnv, environment);
  const context: EndpointPolicyContext = {
    config,
    endpoint: createChatEndpoint(config, apiKey),
    slots: createSemaphore(config.maxRunning),
    events: createEndpointPolicyEvents(ctx.metrics),
  };
  const server = createGrpcServer({ log: ctx.log, metrics: ctx.metrics });
  server.add(PolicyService, {
    describe: async () => describe(context),
    tokenize: async (request) => tokenize(request),
    generate: (request, call) => generate(context, request, call.signal),
    loadVersion: async (request) => loadVersion(request),
    addEngine: async () => addEngine(),
    removeEngine: async () => removeEngine(),
  });
  const grpc = await server.listen(config.grpc);
  ctx.defer('gRPC server', () => server.drain(config.drainMs));
  server.setServing(true);
  return { grpc };
}
