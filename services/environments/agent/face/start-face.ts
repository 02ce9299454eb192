import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createWorkerToken, nameSession, sessionIdOf } from '#sessions/session-name.ts';
import { TerminalError } from '#platform/errors.ts';
import { createHostCheck } from '#platform/http/allowed-hosts.ts';
import { createJsonServer, drainHttp, httpRefusal, listenHttp, type HttpRefusal } from '#platform/http/json-server.ts';
import { shortText } from '#platform/text/show-value.ts';
import type { EnvironmentClients, EnvironmentTokens } from '../../kit/clients.ts';
import type { AgentReply } from './agent-call.ts';
import type { Placed } from './conversations.ts';
import type { CallRules, Dialect, DialectRefusal, Sample, Samples, TurnRequest } from './dialects/dialect.ts';
import { commonDialect, dialects } from './dialects/index.ts';
import { checkForm } from './check-form.ts';
import { refusal } from './refusal.ts';
import { sendStream, type Answer } from './send-stream.ts';
import { createSession, type Connection, type Session, type SessionRules } from './session.ts';
import type { ToolCallFormatName } from './tool-calls/index.ts';

/** Finds the session of a request that bears its key; throws a refusal. */
export type FindSession = (request: FastifyRequest) => Session;

export interface FaceRules extends Pick<CallRules, 'sampling' | 'thinking'> {
  readonly toolCalls?: ToolCallFormatName;
}

/** What is served besides the model, and where agents find it. */
export interface FaceSurroundings {
  /** `host:port`; port 0 takes any free one. */
  readonly listen?: string;
  /** Where agents reach the sessions, without a slash at its end; the server itself where absent. */
  readonly reachedAt?: string | undefined;
  readonly allowedHosts?: readonly string[];
  addRoutes?(app: FastifyInstance, sessionOf: FindSession): void;
  readonly tokens?: EnvironmentTokens | undefined;
  /** What the engines can hold turns to. */
  readonly forms?: EnvironmentClients['forms'] | undefined;
  /** Between two signs of life in a stream that waits for the model. */
  readonly keepAliveMs?: number;
}

/** A session with its address and key, for one agent. */
export interface OpenSession {
  readonly session: Session;
  /** `…/sessions/<id>`. */
  readonly url: string;
  readonly baseUrl: string;
  readonly key: string;
}

export interface Face {
  /** `host:port` as bound. */
  readonly address: string;
  /** Begins the ids of its sessions. */
  readonly workerToken: string;
  open(limits?: Pick<SessionRules, 'maxNewTokens' | 'trained'>): OpenSession;
  /** Calls of the session are unknown from here on. */
  forget(session: Session): void;
  close(): Promise<void>;
}

/** More text than any model reads. */
const longestBodyBytes = 16 * 2 ** 20;
const jsonBounds = { mostValues: 200_000, mostDepth: 64 };
/** Of the messages and tools of one call together, as JSON, in UTF-16 units: what is tokenised at once is at most 1 MiB. */
const mostCharacters = 500_000;
/** Longest time that something is tokenised for an answer. */
const tokenizeMs = 30_000;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whose route it is. */
    readonly dialect?: Dialect;
  }
}

/**
 * The policy as agents know it: `/sessions/<id>/v1/…`, or `/v1/…` with the session's key alone. The session's calls reach the episode that opened it.
 */
export async function startFace(
  { toolCalls = 'auto', ...rules }: FaceRules,
  {
    listen = '127.0.0.1:0',
    reachedAt,
    allowedHosts = [],
    addRoutes,
    tokens,
    forms,
    keepAliveMs = 10_000,
  }: FaceSurroundings = {},
): Promise<Face> {
  const workerToken = createWorkerToken();
  const sessions = new Map<string, Session>();
  const app = createJsonServer({ longestBodyBytes, jsonBounds });

  app.addHook('onRequest', async (request) => {
    const refused = checkHost(request.headers);
    if (refused !== undefined) throw refusal('invalid_host', refused, undefined, 'permission_denied');
  });
  app.setErrorHandler((thrown, request, reply) => refuse(request, reply, thrown));
  app.setNotFoundHandler((request, reply) => {
    const served = ['GET /models', ...dialects.map(({ path }) => `POST ${path}`)].join(', ');
    const url = `${request.method} ${shortText(request.url, 200)}`;
    const message = `there is no ${url}; below /sessions/<id>/v1 and /v1 there are ${served}`;
    return refuse(request, reply, refusal('unknown_url', message, undefined, 'not_found'));
  });

  for (const base of ['/sessions/:id/v1', '/v1']) {
    for (const dialect of dialects) {
      const config = { dialect };
      app.post(`${base}${dialect.path}`, { config }, (request, reply) => answer(dialect, request, reply));
      const { count } = dialect;
      if (count === undefined) continue;
      app.post(`${base}${count.path}`, { config }, async (request) => count.whole(await countTokens(count, request)));
    }
    app.get(`${base}/models`, (request) => {
      sessionOf(request);
      return dialectOf(request).models;
    });
  }

  async function answer(dialect: Dialect, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const session = sessionOf(request);
    const asked = dialect.read(request.body, {
      ...rules,
      maxNewTokens: session.maxNewTokens,
      saidUntil(turnId) {
        const [, id, turn] = /^(.*)-(\d{1,9})$/.exec(turnId) ?? [];
        return id === session.id ? session.saidUntil(Number(turn)) : undefined;
      },
    });
    const tooLarge = sizeRefusal(asked);
    if (tooLarge !== undefined) throw session.overflow(tooLarge);
    await checkTokens(asked);
    await checkForm(asked, session, forms);
    const connection = connectionOf(request, reply);
    const turns = askAll(session, asked, connection, reply);
    if (asked.stream)
      return await sendStream(reply, turns, keepAliveMs, (thrown) => dialect.refusedEvent(refusalIn(dialect, thrown)));
    const { headers, body } = await turns;
    return reply.headers(headers).send(body);
  }

  /** Throws a refusal for ids that the model does not have. */
  async function checkTokens({ call, field }: TurnRequest): Promise<void> {
    if (call.kind !== 'tokens' || tokens === undefined) return;
    try {
      await tokens.decode([call.tokenIds], AbortSignal.timeout(tokenizeMs));
    } catch (thrown) {
      if (!(thrown instanceof TerminalError) || thrown.code !== 'invalid_argument') throw thrown;
      throw refusal('invalid_value', `${field}: ${thrown.message}`, field);
    }
  }

  /** One turn for each sample that is wanted. */
  async function askAll(
    session: Session,
    asked: TurnRequest,
    connection: Connection,
    reply: FastifyReply,
  ): Promise<Answer> {
    const deliveries = await session.ask(asked, connection);
    const [first, ...others] = deliveries;
    if (first === undefined) throw new TypeError('a request wants one turn at least');
    reply.raw.once('finish', () => {
      if (!connection.lost) for (const { delivered } of deliveries) delivered();
    });
    const about = { sessionId: session.id, created: Math.floor(Date.now() / 1000) };
    const samples: Samples = asked.tokenTexts
      ? [await withTexts(first.reply), ...(await Promise.all(others.map((other) => withTexts(other.reply))))]
      : [first.reply, ...others.map((other) => other.reply)];
    const body = asked.stream ? asked.events(samples, about) : asked.whole(samples, about);
    return { headers: headersOf(first.placed), body };
  }

  async function withTexts(reply: AgentReply): Promise<Sample> {
    const ids = reply.sampled?.tokenIds.map((id) => [id]);
    if (tokens === undefined || ids === undefined) return reply;
    return { ...reply, tokenTexts: await tokens.decode(ids, AbortSignal.timeout(tokenizeMs)) };
  }

  async function countTokens(count: NonNullable<Dialect['count']>, request: FastifyRequest): Promise<number> {
    const session = sessionOf(request);
    const call = count.read(request.body, rules);
    // An agent that counts has not asked yet.
    const tooLarge = sizeRefusal({ call, field: 'messages' });
    if (tooLarge !== undefined) throw tooLarge;
    if (tokens === undefined) throw new TerminalError('unimplemented', 'nothing is tokenised here');
    const opening = session.rendered(call);
    if (typeof opening !== 'string' && 'tokenIds' in opening) return opening.tokenIds.length;
    return await tokens.count(opening, AbortSignal.timeout(tokenizeMs));
  }

  addRoutes?.(app, sessionOf);

  function sessionOf({ params, headers }: FastifyRequest): Session {
    const { id } = Object(params) as { readonly id?: string };
    const key = keyOf(headers);
    const session = sessions.get(id ?? sessionIdOf(key) ?? '');
    if (session?.admits(key) === true) return session;
    if (id !== undefined && session === undefined) {
      const message = `session '${shortText(id, 60)}' is unknown, or its episode is over`;
      throw refusal('unknown_session', message, undefined, 'not_found');
    }
    const whose = id === undefined ? 'is of no session that is open' : 'is not that of this session';
    const message = `Authorization or x-api-key: the key ${whose}; the agent finds it in OPENAI_API_KEY or ANTHROPIC_API_KEY`;
    throw refusal('invalid_api_key', message, undefined, 'permission_denied');
  }

  const address = await listenHttp(app, listen);
  const checkHost = createHostCheck(address, { allowedHosts });
  const root = reachedAt ?? `http://${address}`;

  return {
    address,
    workerToken,
    open({ maxNewTokens, trained } = {}) {
      const { id, key } = nameSession(workerToken);
      const session = createSession(id, key, { thinking: rules.thinking, toolCalls, maxNewTokens, trained });
      sessions.set(id, session);
      return { session, url: `${root}/sessions/${id}`, baseUrl: `${root}/sessions/${id}/v1`, key };
    },
    forget: ({ id }) => void sessions.delete(id),
    close: async () => await drainHttp(app, 1_000),
  };
}

function connectionOf({ raw: { socket } }: FastifyRequest, { raw }: FastifyReply): Connection {
  const left = new AbortController();
  raw.once('close', () => {
    if (!raw.writableFinished) left.abort();
  });
  return {
    left: left.signal,
    get lost() {
      return socket.destroyed;
    },
  };
}

function dialectOf({ routeOptions, headers }: FastifyRequest): Dialect {
  return routeOptions.config.dialect ?? dialects.find((dialect) => dialect.speaks(headers)) ?? commonDialect;
}

function refuse(request: FastifyRequest, reply: FastifyReply, thrown: unknown): FastifyReply {
  const { status, headers, body } = refusalIn(dialectOf(request), thrown);
  return reply.code(status).headers(headers).send(body);
}

function refusalIn(dialect: Dialect, thrown: unknown): DialectRefusal & Pick<HttpRefusal, 'headers'> {
  const refused = httpRefusal(thrown, { longestBodyBytes });
  const isKey = refused.error.details['reason'] === 'invalid_api_key';
  return { ...dialect.refuse({ ...refused, status: isKey ? 401 : refused.status }), headers: refused.headers };
}

function sizeRefusal({ call, field }: Pick<TurnRequest, 'call' | 'field'>): TerminalError | undefined {
  const said = call.kind === 'chat' ? [call.messages, call.tools] : call.kind === 'text' ? call.text : [];
  const characters = JSON.stringify(said).length;
  if (characters <= mostCharacters) return undefined;
  const message = `${field}: with the tools they have ${characters} characters; at most ${mostCharacters} are read`;
  return refusal('context_length_exceeded', message, field);
}

/** In which conversation the turn stands, for people who look why there are several. */
function headersOf({ asked, begun }: Placed): Readonly<Record<string, string>> {
  return {
    'gradus-conversation': asked.branch === '' ? 'main' : asked.branch,
    ...(begun !== undefined && { 'gradus-branch-reason': `${begun.reason}; at=${begun.at}` }),
  };
}

/** As OpenAI's clients send it, or as Anthropic's do. */
function keyOf({ authorization, 'x-api-key': key }: IncomingHttpHeaders): string {
  return authorization?.replace(/^Bearer /i, '') ?? (typeof key === 'string' ? key : '');
}
