import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createWorkerToken, nameSession, sessionIdOf } from '#sessions/session-name.ts';
import { createHostCheck } from '#platform/http/allowed-hosts.ts';
import { createJsonServer, drainHttp, httpRefusal, listenHttp } from '#platform/http/json-server.ts';
import { shortText } from '#platform/text/show-value.ts';
import type { CallRules, Dialect } from './dialects/dialect.ts';
import { dialects } from './dialects/index.ts';
import { refusal } from './refusal.ts';
import { createSession, type Session } from './session.ts';

/** Finds the session of a request that bears its key; throws a refusal. */
export type FindSession = (request: FastifyRequest) => Session;

/** What is served besides the model, and where agents find it. */
export interface FaceSurroundings {
  /** `host:port`; port 0 takes any free one. */
  readonly listen?: string;
  /** Where agents reach the sessions, without a slash at its end; the server itself where absent. */
  readonly reachedAt?: string | undefined;
  readonly allowedHosts?: readonly string[];
  addRoutes?(app: FastifyInstance, sessionOf: FindSession): void;
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
  open(): OpenSession;
  /** Calls of the session are unknown from here on. */
  forget(session: Session): void;
  close(): Promise<void>;
}

/** More text than any model reads. */
const longestBodyBytes = 16 * 2 ** 20;
const jsonBounds = { mostValues: 200_000, mostDepth: 64 };
/** Of the messages and tools of one call together, as JSON, in UTF-16 units: what is tokenised at once is at most 1 MiB. */
const mostCharacters = 500_000;

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
  rules: CallRules,
  { listen = '127.0.0.1:0', reachedAt, allowedHosts = [], addRoutes }: FaceSurroundings = {},
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
    for (const dialect of dialects)
      app.post(`${base}${dialect.path}`, { config: { dialect } }, (request, reply) => answer(dialect, request, reply));
    app.get(`${base}/models`, (request) => {
      sessionOf(request);
      return dialectOf(request).models;
    });
  }

  async function answer(dialect: Dialect, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const session = sessionOf(request);
    const asked = dialect.read(request.body, rules);
    const { call, field } = asked;
    const characters = JSON.stringify([call.messages, call.tools]).length;
    if (characters > mostCharacters) {
      const message = `${field}: with the tools they have ${characters} characters; at most ${mostCharacters} are read`;
      throw session.overflow(refusal('context_length_exceeded', message, field));
    }
    const connection = {
      get lost() {
        return request.raw.socket.destroyed;
      },
    };
    const { reply: turn, delivered } = await session.ask(call, connection);
    reply.raw.once('finish', () => {
      if (!connection.lost) delivered();
    });
    const about = { sessionId: session.id, created: Math.floor(Date.now() / 1000) };
    if (!asked.stream) return reply.send(asked.whole(turn, about));
    return reply
      .header('content-type', 'text/event-stream; charset=utf-8')
      .header('cache-control', 'no-cache')
      .send(asked.events(turn, about));
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
    open() {
      const { id, key } = nameSession(workerToken);
      const session = createSession(id, key, rules.thinking);
      sessions.set(id, session);
      return { session, url: `${root}/sessions/${id}`, baseUrl: `${root}/sessions/${id}/v1`, key };
    },
    forget: ({ id }) => void sessions.delete(id),
    close: async () => await drainHttp(app, 1_000),
  };
}

function dialectOf({ routeOptions, headers }: FastifyRequest): Dialect {
  return routeOptions.config.dialect ?? dialects.find((dialect) => dialect.speaks(headers)) ?? dialects[0];
}

function refuse(request: FastifyRequest, reply: FastifyReply, thrown: unknown): FastifyReply {
  const refused = httpRefusal(thrown, { longestBodyBytes });
  const isKey = refused.error.details['reason'] === 'invalid_api_key';
  const { status, body } = dialectOf(request).refuse({ ...refused, status: isKey ? 401 : refused.status });
  return reply.code(status).headers(refused.headers).send(body);
}

/** As OpenAI's clients send it, or as Anthropic's do. */
function keyOf({ authorization, 'x-api-key': key }: IncomingHttpHeaders): string {
  return authorization?.replace(/^Bearer /i, '') ?? (typeof key === 'string' ? key : '');
}
