/** The chat completions API: https://platform.openai.com/docs/api-reference/chat. */
import type { FastifyReply } from 'fastify';
import { TerminalError, TransientError } from '#platform/errors.ts';
import { createHostCheck } from '#platform/http/allowed-hosts.ts';
import type { HostSettings } from '#platform/http/allowed-hosts.ts';
import { createJsonServer, drainHttp, listenHttp, type HttpServer } from '#platform/http/json-server.ts';
import { shortText } from '#platform/text/show-value.ts';
import type { ScriptedJudgeEvents } from '../events.ts';
import type { Completions } from './completions.ts';
import { errorResponse, longestBodyBytes } from './error-response.ts';

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
  const app = createJsonServer({ longestBodyBytes, jsonBounds });
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
  app.get('/v1/models', () => models);
  app.post('/v1/chat/completions', async (request, reply) => {
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    return await completions.complete(request.body, gone.signal);
  });
  return {
    address: await listenHttp(app, address),
    drain: (withinMs) => {
      draining = true;
      return drainHttp(app, withinMs);
    },
  };
}
