/** The HTTP API: one server for the clients of Search-R1, Menlo and ReCall, and for MCP. See docs/retrieval-api.md. */
import type { FastifyInstance } from 'fastify';
import { TerminalError, TransientError } from '#platform/errors.ts';
import { createHostCheck } from '#platform/http/allowed-hosts.ts';
import { createJsonServer, drainHttp, listenHttp, type HttpServer } from '#platform/http/json-server.ts';
import { createHttpAdmission } from '#platform/http/http-admission.ts';
import type { Security } from '#platform/security/security.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import { shortText } from '#platform/text/show-value.ts';
import { trimEnd } from '#platform/text/trim-end.ts';
import { mountMcp } from '../mcp/mount-mcp.ts';
import { limitBodies } from './body-budget.ts';
import { jsonBounds, longestBodyBytes, createHttpCalls } from './http-calls.ts';
import type { Finder } from './find.ts';
import { measureHttp, routeList } from './http-metrics.ts';
import { batchSearch, search } from './routes/search.ts';
import { health, stats } from './routes/stats.ts';
import { retrieve } from './routes/retrieve.ts';
import { visit } from './routes/visit.ts';

export interface HttpSettings {
  readonly httpTimeoutMs: number;
  readonly httpOverloadStatus: 429 | 503;
  readonly allowedHosts: readonly string[];
  /** With certificates in it: HTTPS, for who has one of a role, or a token of one. */
  readonly security?: Security | undefined;
}

const readers = ['rollout', 'viewer', 'operator'];

export interface HttpDependencies extends Finder {
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Aborts when the service begins to stop: from then on requests are refused. */
  readonly signal: AbortSignal;
}

/** Longest piece of a path that is not a route, in its error. */
const longestPathShown = 200;
/** As many may connect at one moment; the system may allow fewer. */
const backlog = 4_096;
const mostConnections = 16_384;

/** Listens on `address`, `host:port`. */
export async function startHttpServer(
  address: string,
  settings: HttpSettings,
  { retriever, events, log, metrics, signal }: HttpDependencies,
): Promise<HttpServer> {
  const app = createJsonServer({
    longestBodyBytes,
    jsonBounds,
    routerOptions: { ignoreTrailingSlash: true },
    security: settings.security,
  });
  app.server.maxConnections = mostConnections;
  let draining = false;
  const calls = createHttpCalls({
    log,
    timeoutMs: settings.httpTimeoutMs,
    overloadStatus: settings.httpOverloadStatus,
    stopping: () => draining || signal.aborted,
  });
  measureHttp(app, metrics);
  app.addHook('onRequest', (_request, reply, done) => {
    if (!draining && !signal.aborted) return done();
    calls.refuse(
      reply,
      new TransientError('unavailable', 'the service stops; ask another one', { retryAfterMs: 1_000 }),
    );
  });
  const refusalOf = createHostCheck(address, settings);
  app.addHook('onRequest', ({ headers }, reply, done) => {
    const refusal = refusalOf(headers);
    if (refusal === undefined) return done();
    calls.refuse(reply, new TerminalError('permission_denied', refusal));
  });
  const admit = createHttpAdmission(settings.security, readers);
  app.addHook('onRequest', async ({ raw, url }, reply) => {
    // The probes of a cluster have neither certificate nor token.
    const refused = url === '/health' ? undefined : await admit(raw);
    return refused === undefined
      ? undefined
      : await reply.code(refused.status).headers(refused.headers).send(refused.message);
  });
  limitBodies(app, calls);
  app.setErrorHandler((error, _request, reply) => calls.refuse(reply, error));

  const finder: Finder = { retriever, events };
  app.post(
    '/retrieve',
    calls.answer('POST /retrieve', (body, ended) => retrieve(finder, body, ended)),
  );
  app.post(
    '/search',
    calls.answer('POST /search', (body, ended) => search(finder, body, ended)),
  );
  app.post(
    '/batch_search',
    calls.answer('POST /batch_search', (body, ended) => batchSearch(finder, body, ended)),
  );
  app.post(
    '/visit',
    calls.answer('POST /visit', (body, ended) => visit(finder, body, ended)),
  );
  app.get(
    '/health',
    calls.answer('GET /health', () => health(retriever)),
  );
  app.get(
    '/stats',
    calls.answer('GET /stats', () => stats(retriever)),
  );
  app.get(
    '/',
    calls.answer('GET /', () => ({ service: 'gradus retrieval', routes: routeList })),
  );
  await app.register(async (scope) => mountMcp(scope, { finder, calls, log, settings }));
  refuseOthers(app);

  return {
    address: await listenHttp(app, address, backlog),
    drain: (withinMs) => {
      draining = true;
      return drainHttp(app, withinMs, () => {
        log.warn({ withinMs }, 'HTTP requests were still running at the end of the drain; they are cut off');
        calls.cutOff();
      });
    },
  };
}

/** Paths that are no route, and routes asked with another method. */
function refuseOthers(app: FastifyInstance): void {
  app.setNotFoundHandler((request, reply) => {
    const path = trimEnd(request.url.split('?', 1)[0] ?? '', '/') || '/';
    const allowed = routeList.filter((route) => route.path === path).map(({ method }) => method);
    if (allowed.length === 0) {
      const detail = `there is no ${shortText(path, longestPathShown)}; routes: ${routeList.map((route) => route.path).join(', ')}`;
      return reply.code(404).send({ detail, code: 'not_found' });
    }
    const detail = `${path} is asked with ${allowed.join(', ')}, not ${request.method}`;
    return reply.code(405).header('allow', allowed.join(', ')).send({ detail, code: 'unimplemented' });
  });
}
