/** The chat completions API: https://platform.openai.com/docs/api-reference/chat. */
import fastify from 'fastify';
import type { FastifyReply } from 'fastify';
import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import { createHostCheck } from '#platform/http/allowed-hosts.ts';
import type { HostSettings } from '#platform/http/allowed-hosts.ts';
import { parseJsonBody } from '#platform/http/json-body.ts';
import { shortText } from '#platform/text/show-value.ts';
import type { ScriptedJudgeEvents } from '../events.ts';
import type { Completions } from './completions.ts';
import { errorResponse } from './error-response.ts';

export interface HttpServer {
  /** `host:port` as bound. */
  readonly address: string;
  /** Takes no more, and ends when what runs has ended, at the latest after `withinMs`. */
  drain(withinMs: number): Promise<void>;
}

/** A list of 64 answers of 32,768 characters, escaped. */
const longestBodyBytes = 32 * 1024 * 1024;
/** A question is a few messages; a JSON schema of its answer may come with it. */
const jsonBounds = { mostValues: 100_000, mostDepth: 64 };
/** What is listed; every name is answered to. */
const models = { object: 'list', data: [{ id: 'scripted', object: 'model', created: 0, owned_by: 'gradus' }] };

/** Listens on `address`, `host:port`. */
export async function startHttpServer(
  address: string,
  completions: Completions,
  events: ScriptedJudgeEvents,
  hosts: HostSettings,
): Promise<HttpServer> {
  const app = fastify({
    logger: false,
    bodyLimit: longestBodyBytes,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    requestTimeout: 30_000,
    keepAliveTimeout: 75_000,
  });
  let draining = false;
  const refuse = (reply: FastifyReply, thrown: unknown): FastifyReply => {
    const { status, headers, body } = errorResponse(thrown);
    events.refused(status);
    return reply.code(status).headers(headers).send(body);
  };
  const refusalOf = createHostCheck(address, hosts);
  app.addHook('onRequest', ({ headers }, reply, done) => {
    const refusal = refusalOf(headers);
    if (refusal !== undefined) return refuse(reply, new TerminalError('permission_denied', refusal));
    if (!draining) return done();
    return refuse(reply, new TransientError('unavailable', 'the judge stops; ask another one'));
  });
  // A connection that stays open would keep the drain waiting.
  app.addHook('onSend', async (_request, reply) => {
    if (draining) void reply.header('connection', 'close');
  });
  app.setErrorHandler((error, _request, reply) => refuse(reply, error));
  app.setNotFoundHandler(({ method, url }, reply) =>
    refuse(
      reply,
      new TerminalError(
        'not_found',
        `there is no ${method} ${shortText(url, 200)}; POST /v1/chat/completions is served`,
      ),
    ),
  );
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => {
    try {
      done(null, parseJsonBody(bytes, jsonBounds));
    } catch (error) {
      done(errorFrom(error));
    }
  });
  app.get('/v1/models', () => models);
  app.post('/v1/chat/completions', async (request, reply) => {
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    return await completions.complete(request.body, gone.signal);
  });
  const bound = await listen(address);

  async function listen(at: string): Promise<string> {
    const colon = at.lastIndexOf(':');
    const host = at.slice(0, colon);
    try {
      await app.listen({ host: host.replace(/^\[|\]$/g, ''), port: Number(at.slice(colon + 1)) });
    } catch (cause) {
      throw new TerminalError('failed_precondition', `cannot serve HTTP on ${at}: ${String(cause)}`, { cause });
    }
    const socket = app.server.address();
    return `${host}:${typeof socket === 'object' && socket !== null ? socket.port : 0}`;
  }

  return {
    address: bound,
    async drain(withinMs) {
      draining = true;
      const timer = setTimeout(() => app.server.closeAllConnections(), withinMs);
      try {
        await app.close();
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
