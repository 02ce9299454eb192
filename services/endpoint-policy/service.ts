import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { type Semaphore, createSemaphore } from '#platform/async/semaphore.ts';
import { type ChatEndpoint, createChatEndpoint } from '#endpoint/chat-endpoint.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import { readKeyVariable } from '#endpoint/api-key.ts';
import { useProxyOf } from '#platform/http/outside-proxy.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { registerSessions } from '#sessions/register-sessions.ts';
import { serveSessions } from '#sessions/start-session-gateway.ts';
import type { EndpointPolicyConfig } from './config.ts';
import { type EndpointPolicyEvents, createEndpointPolicyEvents } from './events.ts';
import { describe } from './handlers/describe.ts';
import { generate } from './handlers/generate.ts';
import { tokenize } from './handlers/tokenize.ts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { LoadVersionRequest, LoadVersionResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#platform/errors.ts';

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
  const proxy = useProxyOf(environment);
  ctx.defer('proxy', async () => proxy.restore());
  if (proxy.variables.length > 0)
    ctx.log.info({ variables: proxy.variables }, 'calls to other hosts go through a proxy');
  const { apiKeyEnv } = config;
  const apiKey = apiKeyEnv === undefined ? undefined : readKeyVariable('apiKeyEnv', apiKeyEnv, environment);
  const context: EndpointPolicyContext = {
    config,
    endpoint: createChatEndpoint(config, apiKey),
    slots: createSemaphore(config.maxRunning),
    events: createEndpointPolicyEvents(ctx.metrics),
  };
  const sessions = await serveSessions(config, ctx);
  const server = createGrpcServer({ log: ctx.log, metrics: ctx.metrics, security: ctx.security });
  server.add(PolicyService, {
    describe: async () => describe(context),
    tokenize: async (request) => tokenize(request),
    generate: (request, call) => generate(context, request, call.signal),
    loadVersion: async (request) => loadVersion(request),
    addEngine: async () => addEngine(),
    removeEngine: async () => removeEngine(),
    registerSessions: async (request) => registerSessions(sessions, request),
  });
  const grpc = await server.listen(config.grpc);
  ctx.defer('gRPC server', () => server.drain(config.drainMs));
  server.setServing(true);
  return { grpc, ...(sessions !== undefined && { sessions: sessions.address }) };
}

/** Version 0 is what the endpoint serves, whatever that is. */
export function loadVersion({ version }: LoadVersionRequest): MessageInitShape<typeof LoadVersionResponseSchema> {
  if (version === 0n) return { version: 0n, carriedOver: 0 };
  throw new TerminalError(
    'failed_precondition',
    `LoadVersion: version is ${version}; an endpoint cannot be given weights, so only version 0 is there: evaluate it, or train a model directory`,
  );
}

export function addEngine(): never {
  throw new TerminalError('unimplemented', 'AddEngine: an endpoint has no engines of its own to add');
}

export function removeEngine(): never {
  throw new TerminalError('unimplemented', 'RemoveEngine: an endpoint has no engines of its own to remove');
}
