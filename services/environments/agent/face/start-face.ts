import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createWorkerToken, nameSession } from '#sessions/session-name.ts';
import { createHostCheck } from '#platform/http/allowed-hosts.ts';
import { createJsonServer, drainHttp, httpRefusal, listenHttp } from '#platform/http/json-server.ts';
import { shortText } from '#platform/text/show-value.ts';
import type { AgentOptions } from '../options.ts';
import { chatCompletion, chatCompletionEvents, readChatCompletion } from './chat-completions.ts';
import { refusal } from './refusal.ts';
import { createSession, type Session } from './session.ts';

/** Finds the session of a request that bears its key; throws a refusal. */
export type FindSession = (request: FastifyRequest<{ Params: { id: string } }>) => Session;

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

/**
 * The policy as agents know it: `/sessions/<id>/v1/chat/completions`. The session's calls reach the episode that opened it.
 */
export async function startFace(
  { thinking, sampling }: Pick<AgentOptions, 'thinking' | 'sampling'>,
  { listen = '127.0.0.1:0', reachedAt, allowedHosts = [], addRoutes }: FaceSurroundings = {},
): Promise<Face> {
  const workerToken = createWorkerToken();
  const sessions = new Map<string, Session>();
  const app = createJsonServer({ longestBodyBytes, jsonBounds });

  app.addHook('onRequest', async (request) => {
    const refused = checkHost(request.headers);
    if (refused !== undefined) throw refusal('invalid_host', refused, undefined, 'permission_denied');
  });
  app.setErrorHandler((thrown, _request, reply) => refuse(reply, thrown));
  app.setNotFoundHandler(({ method, url }, reply) =>
    refuse(
      reply,
      refusal(
        'unknown_url',
        `there is no ${method} ${shortText(url, 200)}; POST /sessions/<id>/v1/chat/completions and GET /sessions/<id>/v1/models are served`,
        undefined,
        'not_found',
      ),
    ),
  );

  app.post<{ Params: { id: string } }>('/sessions/:id/v1/chat/completions', async (request, reply) => {
    const session = sessionOf(request);
    const call = readChatCompletion(request.body, sampling);
    const characters = JSON.stringify([call.messages, call.tools]).length;
    if (characters > mostCharacters) {
      const message = `messages: with the tools they have ${characters} characters; at most ${mostCharacters} are read`;
      throw session.overflow(refusal('context_length_exceeded', message, 'messages'));
    }
    const { messages, tools } = call;
    const connection = {
      get lost() {
        return request.raw.socket.destroyed;
      },
    };
    const { reply: turn, delivered } = await session.ask({ messages, tools }, connection);
    reply.raw.once('finish', () => {
      if (!connection.lost) delivered();
    });
    const created = Math.floor(Date.now() / 1000);
    if (!call.stream) return chatCompletion(call, session.id, turn, created);
    reply.header('content-type', 'text/event-stream; charset=utf-8').header('cache-control', 'no-cache');
    return chatCompletionEvents(call, session.id, turn, created);
  });
  app.get<{ Params: { id: string } }>('/sessions/:id/v1/models', (request) => {
    sessionOf(request);
    return { object: 'list', data: [{ id: 'policy', object: 'model', created: 0, owned_by: 'gradus' }] };
  });

  addRoutes?.(app, sessionOf);

  function sessionOf({ params, headers }: Parameters<FindSession>[0]): Session {
    const session = sessions.get(params.id);
    if (session === undefined) {
      const message = `session '${shortText(params.id, 60)}' is unknown, or its episode is over`;
      throw refusal('unknown_session', message, undefined, 'not_found');
    }
    const key = headers.authorization?.replace(/^Bearer /i, '') ?? '';
    if (session.admits(key)) return session;
    const message = 'Authorization: the key is not that of this session; the agent finds it in OPENAI_API_KEY';
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
      const session = createSession(id, key, thinking);
      sessions.set(id, session);
      return { session, url: `${root}/sessions/${id}`, baseUrl: `${root}/sessions/${id}/v1`, key };
    },
    forget: ({ id }) => void sessions.delete(id),
    close: async () => await drainHttp(app, 1_000),
  };
}

function refuse(reply: FastifyReply, thrown: unknown): FastifyReply {
  const { status, headers, error } = httpRefusal(thrown, { longestBodyBytes });
  const { reason = error.code, param = null } = error.details;
  return reply
    .code(reason === 'invalid_api_key' ? 401 : status)
    .headers(headers)
    .send({
      error: {
        message: error.message,
        type: status < 500 ? 'invalid_request_error' : 'server_error',
        param,
        code: reason,
      },
    });
}
