import { randomUUID } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GenerateRequest, GenerateResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { FinishReason, LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { EngineServer, ServerTurn } from '#engines/kit/engine-server.ts';
import { formRefusal } from '#engines/kit/probe-forms.ts';
import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import { sequenceDigest } from '#trajectory/sequence-digest.ts';
import type { SidecarContext } from '../context.ts';
import { type ParsedRequest, parseRequest } from '../turn/parse-request.ts';
import { logprobKind, needsScore, readTurn } from '../turn/read-turn.ts';
import { loadOf } from './describe.ts';

type Response = MessageInitShape<typeof GenerateResponseSchema>;

/** One turn at the server. States: asked -> waiting -> running -> finished | aborted (Abort) | cancelled (the caller) | failed. */
export async function generate(
  context: SidecarContext,
  message: GenerateRequest,
  caller: AbortSignal,
): Promise<Response> {
  const { events, live } = context;
  const request = admit(context, message);
  const tracked = live.track(message.requestId);
  const signal = AbortSignal.any([caller, tracked.signal]);
  try {
    if (request.room <= 0) return noTurn(context, request, FinishReason.CONTEXT);
    const response = await play(context, request, signal);
    events.turnEnded(response, request.tokenIds.length);
    return response;
  } catch (thrown) {
    if (tracked.signal.aborted && !caller.aborted) {
      events.turnAborted();
      return noTurn(context, request, FinishReason.ABORTED);
    }
    events.turnFailed(errorFrom(thrown), caller.aborted);
    throw thrown;
  } finally {
    tracked.done();
  }
}

function admit(
  { config, link, vocabularySize, loads, events }: SidecarContext,
  message: GenerateRequest,
): ParsedRequest {
  const { version } = loads.served;
  if (version < message.minVersion) {
    events.refused('old_version');
    throw new TransientError(
      'unavailable',
      `version ${version} serves, older than min_version ${message.minVersion}; load that first`,
      { retryAfterMs: 250 },
    );
  }
  try {
    const forms = link.description.forms ?? [];
    return parseRequest(message, { maxContext: link.maxContext(config.maxContext), vocabularySize, forms });
  } catch (thrown) {
    events.refused('invalid');
    throw thrown;
  }
}

/** A turn without a token: there was no room for one, or it was aborted. */
function noTurn(context: SidecarContext, { tokenIds }: ParsedRequest, finishReason: FinishReason): Response {
  const { version } = context.loads.served;
  return {
    finishReason,
    logprobKind: logprobKind(context.link.description, 1),
    versions: { first: version, last: version },
    sequenceDigest: sequenceDigest(tokenIds),
    load: loadOf(context),
  };
}

async function play(context: SidecarContext, request: ParsedRequest, signal: AbortSignal): Promise<Response> {
  const { link, loads, line, events } = context;
  const askedMs = performance.now();
  const leave = await line.enter(request.priority, signal).catch((thrown: unknown) => {
    if (errorFrom(thrown).code === 'resource_exhausted') events.refused('queue_full');
    throw thrown;
  });
  try {
    await loads.settled(signal);
    const startedMs = performance.now();
    const server = link.required();
    const { served: before, failures } = loads;
    const { turn, kind } = await ask(context, server, request, signal);
    // What it wrote while weights were given to it counts once these are known to be the right ones.
    await loads.settled(signal);
    if (loads.failures > failures)
      throw new TransientError('aborted', `${link.description.program} wrote the turn with weights of no version`);
    return {
      ...readTurn(turn, request, { ...context, description: link.description }),
      logprobKind: kind,
      versions: turn.versions ?? { first: before.version, last: loads.served.version },
      queueMs: Math.round(startedMs - askedMs),
      generateMs: Math.round(performance.now() - startedMs),
      load: loadOf(context),
    };
  } finally {
    leave();
  }
}

async function ask(
  context: SidecarContext,
  server: EngineServer,
  request: ParsedRequest,
  signal: AbortSignal,
): Promise<{ readonly turn: ServerTurn; readonly kind: LogprobKind }> {
  const { link, loads } = context;
  const { description } = link;
  const { version } = loads.served;
  const { begun } = loads;
  try {
    const turn = await server.generate(
      { ...request, requestId: randomUUID(), cacheNamespace: `gradus-${version}` },
      signal,
    );
    link.answered();
    if (request.form !== undefined)
      return { turn, kind: description.output === 'logprobs' ? LogprobKind.FORMED : LogprobKind.ABSENT };
    if (!needsScore(description, request)) return { turn, kind: logprobKind(description, request.temperature) };
    const kind = logprobKind({ ...description, logprobs: 'raw' }, request.temperature);
    return { turn: await scored(context, server, { ...request, begun }, turn, signal), kind };
  } catch (thrown) {
    const refused = formRefusal(request, thrown);
    if (refused !== undefined) throw refused;
    const error = errorFrom(thrown);
    if (error.code === 'unavailable') link.failed(error);
    throw thrown;
  }
}

/** The turn with raw log-probabilities, by a pass over the whole sequence with the weights that wrote it. `begun`: loads before the turn. */
async function scored(
  { link, loads }: SidecarContext,
  server: EngineServer,
  { tokenIds, begun }: ParsedRequest & { readonly begun: number },
  turn: ServerTurn,
  signal: AbortSignal,
): Promise<ServerTurn> {
  const { program } = link.description;
  if (server.score === undefined) {
    throw new TerminalError(
      'unimplemented',
      `sampling.top_p and sampling.top_k: ${program} gives log-probabilities after them and no others; switch them off (1 and 0)`,
    );
  }
  const all = await server.score([...tokenIds, ...turn.tokenIds], signal);
  const { first, last } = turn.versions ?? { first: 0n, last: 0n };
  if (loads.begun !== begun || first !== last)
    throw new TransientError('aborted', `${program} was given other weights before the turn was scored; do it again`);
  return { ...turn, logprobs: all.slice(tokenIds.length - 1) };
}
