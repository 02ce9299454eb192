import { dirname } from 'node:path';
import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { type ChatRenderer, createChatRenderer } from '#chat/chat-renderer.ts';
import { controlTokensOf } from '#chat/control-tokens.ts';
import { readChatTemplate } from '#chat/read-chat-template.ts';
import { followNames, isName } from '#platform/grpc/follow-names.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { registerSessions } from '#sessions/register-sessions.ts';
import { serveSessions } from '#sessions/start-session-gateway.ts';
import type { PolicyConfig } from './config.ts';
import { type AddedEngines, followAddedEngines } from './engines/added-engines.ts';
import { connectEngine } from './engines/engine-connection.ts';
import { type EngineFleet, createEngineFleet } from './engines/engine-fleet.ts';
import { type PolicyEvents, createPolicyEvents } from './events.ts';
import { addEngine, checkMayJoin, removeEngine } from './handlers/change-engines.ts';
import { describe } from './handlers/describe.ts';
import { generate } from './handlers/generate.ts';
import { loadVersion } from './handlers/load-version.ts';
import { tokenize } from './handlers/tokenize.ts';
import { type Tokenizer, loadTokenizer } from '#chat/tokenizer.ts';
import { type EpochFence, createEpochFence } from '#weights/epoch-fence.ts';

export interface PolicyContext {
  readonly tokenizer: Tokenizer;
  /** Undefined where the model has no chat template. */
  readonly chat: ChatRenderer | undefined;
  readonly fleet: EngineFleet;
  readonly events: PolicyEvents;
  readonly fence: EpochFence;
  /** Whether engines of other machines may be added. */
  readonly allowRemote: boolean;
  /** Undefined where engines that are added are not kept. */
  readonly added: AddedEngines | undefined;
}

export async function startPolicy(
  config: PolicyConfig,
  ctx: ServiceContext,
): Promise<Readonly<Record<string, string>>> {
  const events = createPolicyEvents(ctx.log, ctx.metrics);
  const tokenizer = await loadTokenizer(config.tokenizer);
  const chat = await openChat(tokenizer);
  ctx.defer('chat template', async () => await chat?.[Symbol.asyncDispose]());
  const fleet = createEngineFleet({
    ...config,
    connect: (address) => connectEngine(address, config.generateTimeoutMs, ctx.security),
    tokenizerHash: tokenizer.hash,
    events,
    signal: ctx.signal,
  });
  ctx.defer('connections to engines', () => fleet.close());
  await fleet.start(config.engines.filter((engine) => !isName(engine)));
  await followNames({
    names: config.engines.filter(isName),
    intervalMs: config.resolveIntervalMs,
    signal: ctx.signal,
    onPresent: (address) => fleet.add(address),
    onAbsent: (address) => fleet.removeIfDown(address),
    onFailed: events.namesUnresolved,
  });

  // With certificates an engine elsewhere is known by its own.
  const allowRemote = config.insecureRemote || ctx.security?.tls !== undefined;
  const added =
    config.enginesFolder === undefined
      ? undefined
      : await followAddedEngines({
          folder: config.enginesFolder,
          intervalMs: config.resolveIntervalMs,
          signal: ctx.signal,
          check: (address) => checkMayJoin(address, allowRemote),
          onAdded: (address) => fleet.add(address),
          onRemoved: (address) => fleet.remove(address, config.generateTimeoutMs, ctx.signal),
          onFailed: events.addedEnginesUnread,
        });
  const sessions = await serveSessions(config, ctx);
  const context: PolicyContext = {
    tokenizer,
    chat,
    fleet,
    events,
    fence: createEpochFence(),
    allowRemote,
    added,
  };
  const server = createGrpcServer({ log: ctx.log, metrics: ctx.metrics, security: ctx.security });
  server.add(PolicyService, {
    describe: async (request) => describe(context, request),
    tokenize: (request) => tokenize(context, request),
    generate: (request, call) => generate(context, request, call.signal),
    loadVersion: (request, call) => loadVersion(context, request, call.signal),
    addEngine: (request) => addEngine(context, request),
    removeEngine: (request, call) => removeEngine(context, request, call.signal),
    registerSessions: async (request) => registerSessions(sessions, request),
  });
  const grpc = await server.listen(config.grpc);
  ctx.defer('grpc server', () => server.drain(config.drainMs));
  server.setServing(true);
  return { grpc, ...(sessions !== undefined && { sessions: sessions.address }) };
}

/** The template of the model whose tokenizer this is. One that is none ends the service at once, with what is wrong with it. */
async function openChat(tokenizer: Tokenizer): Promise<ChatRenderer | undefined> {
  const template = await readChatTemplate(dirname(tokenizer.path));
  if (template === undefined) return undefined;
  const chat = createChatRenderer(template, controlTokensOf(tokenizer.addedTokens));
  try {
    await chat.check();
    return chat;
  } catch (thrown) {
    await chat[Symbol.asyncDispose]();
    throw thrown;
  }
}
