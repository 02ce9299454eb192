/** Sessions of agents under one address, whichever worker plays them: `/sessions/<id>/…`, `/v1/…` by the session's key, and `POST /sessions`. */
import { Agent, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import { createHostCheck, isLoopbackAddress } from '#platform/http/allowed-hosts.ts';
import { httpRefusal } from '#platform/http/json-server.ts';
import { createNodeServer } from '#platform/http/node-server.ts';
import type { BaseConfig } from '#platform/runtime/config.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import type { Security } from '#platform/security/security.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import { askWorker, passOn, type PassedOn } from './forward.ts';
import { isWorkerToken, sessionIdOf, workerTokenOf } from './session-name.ts';
import { createWorkerRegistry, type PlayedAt } from './worker-registry.ts';

export interface SessionGatewaySettings {
  readonly allowedHosts: readonly string[];
  /** Whether workers of other machines may register. */
  readonly allowRemote: boolean;
  /** With certificates in it: HTTPS. Agents need none: a request is admitted by the key of its session. */
  readonly security?: Security | undefined;
}

export interface SessionGateway {
  /** `host:port` as bound. */
  readonly address: string;
  /** Throws TerminalError. Gives how long it holds, in milliseconds. */
  register(played: PlayedAt): number;
  drain(withinMs: number): Promise<void>;
}

const registrationMs = 10_000;
/** How often a worker registers in that time. */
const registersTimes = 3;
const mostRequests = 4_096;
const mostConnections = 16_384;
/** Of a request to open a session. */
const longestOpenBytes = 65_536;

/** Where the config of a service says so; ends with the service. */
export async function serveSessions(
  {
    sessionsHttp,
    drainMs,
    allowedHosts,
    insecureRemote,
  }: Pick<BaseConfig, 'allowedHosts' | 'insecureRemote' | 'drainMs'> & { readonly sessionsHttp?: string | undefined },
  { metrics, defer, security }: Pick<ServiceContext, 'metrics' | 'defer' | 'security'>,
): Promise<SessionGateway | undefined> {
  if (sessionsHttp === undefined) return undefined;
  const gateway = await startSessionGateway(
    sessionsHttp,
    { allowedHosts, allowRemote: insecureRemote || security?.tls !== undefined, security },
    metrics,
  );
  defer('sessions', () => gateway.drain(drainMs));
  return gateway;
}

export async function startSessionGateway(
  listen: string,
  settings: SessionGatewaySettings,
  metrics: Metrics,
  livesMs = registrationMs,
): Promise<SessionGateway> {
  const registry = createWorkerRegistry(livesMs);
  const agent = new Agent({ keepAlive: true });
  const requests = metrics.counter(
    'gradus_session_requests_total',
    'Requests of agents at the gateway, by outcome: forwarded, broken where the worker broke off its answer, or why they were not forwarded',
    ['outcome'],
  );
  let running = 0;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<PassedOn> {
    const refused = checkHost(request.headers);
    if (refused !== undefined) throw new TerminalError('permission_denied', refused);
    if (running > mostRequests)
      throw new TransientError('resource_exhausted', `${mostRequests} requests are under way`, { retryAfterMs: 1_000 });
    if (request.method === 'POST' && request.url === '/sessions') return await open(request, response);
    const { id, path } = sessionOf(request);
    const workerToken = workerTokenOf(id) ?? '';
    const worker = registry.find(workerToken);
    if (worker === undefined) {
      // Clients ask again after a 503, and take a 404 for the end.
      if (workerToken !== '' && registry.mayReturn(workerToken))
        throw new TransientError(
          'unavailable',
          `the worker of session '${id}' has not registered here yet, or not again; ask again`,
          { retryAfterMs: livesMs / registersTimes },
        );
      const message = `session '${id}' is unknown here: its episode is over, or the worker that played it has ended`;
      throw new TerminalError('not_found', message, { details: { reason: 'unknown_session' } });
    }
    return await passOn(await askWorker(request, response, { worker, path }, agent), response);
  }

  /** The first worker that has an episode which waits. */
  async function open(request: IncomingMessage, response: ServerResponse): Promise<PassedOn> {
    const body = await bodyOf(request);
    for (const worker of registry.openers()) {
      let answered: IncomingMessage;
      try {
        answered = await askWorker(request, response, { worker, path: '/sessions', body }, agent);
      } catch (thrown) {
        if (!(thrown instanceof TransientError) || response.destroyed) throw thrown;
        continue;
      }
      if (answered.statusCode !== 503) return await passOn(answered, response);
      answered.resume();
    }
    throw new TransientError('unavailable', 'no episode waits for a session now; ask again', { retryAfterMs: 1_000 });
  }

  const server = createNodeServer(settings.security, (request, response) => {
    running += 1;
    answer(request, response)
      .then((outcome) => requests.inc({ outcome }))
      .catch((thrown: unknown) => {
        requests.inc({ outcome: errorFrom(thrown).code });
        refuse(request, response, thrown);
      })
      .finally(() => (running -= 1));
  });
  server.maxConnections = mostConnections;
  // Longer than clients keep a connection that they do not use.
  server.keepAliveTimeout = 75_000;
  const address = await listening(server, listen);
  const checkHost = createHostCheck(address, settings);

  return {
    address,
    register(played) {
      const fail = (field: string, problem: string): never => {
        throw new TerminalError('invalid_argument', `RegisterSessions: ${field} ${problem}`, { details: { field } });
      };
      if (!isWorkerToken(played.workerToken)) fail('worker_token', 'must be 16 hexadecimal digits');
      if (played.address.length > 260 || !/^[^\s,/]+:\d{1,5}$/.test(played.address))
        fail('address', 'must be host:port, for example 127.0.0.1:41234');
      if (!settings.allowRemote && !isLoopbackAddress(played.address)) {
        const problem = `is '${played.address}', another machine; this gateway forwards to this one only, unless it has certificates (--tls-cert) or is started with --insecure-remote`;
        throw new TerminalError('permission_denied', `RegisterSessions: address ${problem}`);
      }
      registry.register(played);
      return livesMs;
    },
    async drain(withinMs) {
      const timer = setTimeout(() => server.closeAllConnections(), withinMs);
      await new Promise<void>((done) => {
        server.close(() => done());
        server.closeIdleConnections();
      });
      clearTimeout(timer);
      registry.close();
      agent.destroy();
    },
  };
}

/** The session that a request names in its path or by its key, and the path at its worker. Nothing of the request says where that is. */
function sessionOf({ url = '', headers }: IncomingMessage): { readonly id: string; readonly path: string } {
  const id = /^\/sessions\/([^/?]{1,100})\//.exec(url)?.[1];
  if (id !== undefined) return { id, path: url };
  if (!/^\/v1\/./.test(url)) {
    const message =
      'there is no such path; /sessions/<id>/…, /v1/… with the key of a session, and POST /sessions are served';
    throw new TerminalError('not_found', message, { details: { reason: 'unknown_url' } });
  }
  const named = headers['x-api-key'];
  const key = headers.authorization?.replace(/^Bearer /i, '') ?? (typeof named === 'string' ? named : '');
  const ofKey = sessionIdOf(key);
  if (ofKey !== undefined) return { id: ofKey, path: `/sessions/${ofKey}${url}` };
  const message = 'Authorization: give the key of a session, as Bearer KEY; the agent is given it with its episode';
  throw new TerminalError('permission_denied', message, { details: { reason: 'invalid_api_key' } });
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('a request is read in bytes');
    bytes += chunk.length;
    if (bytes > longestOpenBytes)
      throw new TerminalError('invalid_argument', `body: at most ${longestOpenBytes} bytes are read`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** In a form that clients of OpenAI and of Anthropic both read: no session says here which of them it is. */
function refuse(request: IncomingMessage, response: ServerResponse, thrown: unknown): void {
  // What was not read of a request would be taken for the next one.
  request.resume();
  if (response.headersSent || response.destroyed) return void response.destroy();
  const { status, headers, error } = httpRefusal(thrown, { longestBodyBytes: longestOpenBytes, overloadStatus: 503 });
  const { reason = error.code } = error.details;
  const type = status < 500 ? 'invalid_request_error' : 'server_error';
  response
    .writeHead(reason === 'invalid_api_key' ? 401 : status, { ...headers, 'content-type': 'application/json' })
    .end(JSON.stringify({ type: 'error', error: { message: error.message, type, param: null, code: reason } }));
}

async function listening(server: Server, listen: string): Promise<string> {
  const colon = listen.lastIndexOf(':');
  const host = listen.slice(0, colon);
  await new Promise<void>((done, fail) => {
    server.once('error', (cause) =>
      fail(
        new TerminalError('failed_precondition', `sessions cannot be served on ${listen}: ${cause.message}`, { cause }),
      ),
    );
    server.listen({ host: host.replace(/^\[|\]$/g, ''), port: Number(listen.slice(colon + 1)) }, done);
  });
  const bound = server.address();
  return `${host}:${typeof bound === 'object' && bound !== null ? bound.port : 0}`;
}
