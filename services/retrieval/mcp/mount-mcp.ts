/**
 * MCP over streamable HTTP, stateless: each request is answered by a server of its own, so any replica answers any
 * request. The server has refused requests from other hosts' pages already, as the protocol asks, against DNS rebinding.
 */
import { createMcpHandler } from '@modelcontextprotocol/server';
import type { McpHttpHandler } from '@modelcontextprotocol/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { cancelledFrom, errorFrom } from '#platform/errors.ts';
import { textOfBody } from '#platform/http/json-body.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import { jsonBounds, type HttpCalls } from '../http/http-calls.ts';
import type { Finder } from '../http/find.ts';
import { createMcpServer } from './create-mcp-server.ts';

export interface McpMount {
  readonly finder: Finder;
  readonly calls: HttpCalls;
  readonly log: Logger;
  readonly settings: { readonly httpTimeoutMs: number };
}

/** The tools have deadlines of their own and say so in their answers; this one is for what never ends. */
const graceMs = 5_000;
/** Written by the server itself. */
const ownHeaders = new Set(['content-length', 'transfer-encoding', 'connection']);

/** `scope` is a Fastify scope of its own: here bodies stay text, which the protocol's library reads. */
export function mountMcp(scope: FastifyInstance, { finder, calls, log, settings }: McpMount): void {
  const bounds = { log, timeoutMs: settings.httpTimeoutMs };
  const handler = createMcpHandler(() => createMcpServer(finder, bounds), {
    onerror: (error) => log.debug({ err: error }, 'an MCP request was refused'),
    // The tools do not change: there is nothing to subscribe to.
    maxSubscriptions: 0,
  });
  scope.addHook('onClose', async () => await handler.close());
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser<Buffer>('*', { parseAs: 'buffer' }, (_request, bytes, done) => {
    try {
      done(null, textOfBody(bytes, jsonBounds));
    } catch (error) {
      done(errorFrom(error));
    }
  });
  scope.route({
    method: ['POST', 'GET', 'DELETE'],
    url: '/mcp',
    handler: async (request, reply) => {
      try {
        const exchange = async (signal: AbortSignal): Promise<FastifyReply> => {
          const whole = await orAborted(wholeAnswer(handler, webRequest(request, signal)), signal);
          const answer = takesEvents(request.headers.accept) ? whole : asJson(whole);
          calls.closeIfStopping(reply);
          return reply.code(answer.status).headers(answer.headers).send(answer.text);
        };
        return await calls.run('/mcp', request, reply, exchange, settings.httpTimeoutMs + graceMs);
      } catch (error) {
        return calls.refuse(reply, error);
      }
    },
  });
}

function webRequest({ method, url, headers, body }: FastifyRequest, signal: AbortSignal): Request {
  const copied = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (name !== 'content-length' && value !== undefined)
      copied.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  // The library refuses a client that does not name both, also curl's `*/*`; what it answers is put into the asked form.
  if (method === 'POST') copied.set('accept', 'application/json, text/event-stream');
  return new Request(new URL(url, 'http://localhost'), {
    method,
    headers: copied,
    body: typeof body === 'string' ? body : null,
    signal,
  });
}

interface WholeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** Only a client that says so reads a stream of events. */
function takesEvents(accept: string | undefined): boolean {
  return /\btext\/(?:event-stream|\*)/i.test(accept ?? '');
}

/** The responses of a stream of events, as one JSON document; what else it tells has no place in one. */
function asJson(answer: WholeAnswer): WholeAnswer {
  if (answer.headers['content-type']?.startsWith('text/event-stream') !== true) return answer;
  const responses = answer.text
    .split('\n')
    .filter((line) => line.startsWith('data: {') && !isAsked(line.slice('data: '.length)))
    .map((line) => line.slice('data: '.length));
  const text = responses.length === 1 ? responses.join('') : `[${responses.join(',')}]`;
  return { ...answer, headers: { ...answer.headers, 'content-type': 'application/json' }, text };
}

/** Requests and notifications of the server name a method. */
function isAsked(message: string): boolean {
  const parsed: unknown = JSON.parse(message);
  return typeof parsed === 'object' && parsed !== null && 'method' in parsed;
}

/** Read to its end, so that the deadline and the drain count what the tools still do. */
async function wholeAnswer(handler: McpHttpHandler, request: Request): Promise<WholeAnswer> {
  const answer = await handler.fetch(request);
  const headers = [...answer.headers].filter(([name]) => !ownHeaders.has(name));
  return { status: answer.status, headers: Object.fromEntries(headers), text: await answer.text() };
}

/** The library leaves an answer open forever when its request is aborted. */
async function orAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(cancelledFrom(signal.reason));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([answer, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
