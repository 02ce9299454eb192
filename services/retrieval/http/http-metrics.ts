import type { FastifyInstance } from 'fastify';
import { durationBuckets, type Metrics } from '#platform/telemetry/metrics.ts';

/** Counts and times every request, refused ones too. Paths that are no route share one label. */
export function measureHttp(app: FastifyInstance, metrics: Metrics): void {
  const requests = metrics.counter('gradus_http_requests_total', 'HTTP requests answered.', ['route', 'code']);
  const seconds = metrics.histogram('gradus_http_request_seconds', 'Time to answer an HTTP request.', durationBuckets, [
    'route',
  ]);
  const running = metrics.gauge('gradus_http_running_requests', 'HTTP requests being received or worked on.', [
    'route',
  ]);
  const routes: ReadonlySet<string> = new Set(routeList.map(({ path }) => path));
  app.addHook('onRequest', (request, reply, done) => {
    const startedMs = performance.now();
    const path = request.routeOptions.url;
    const route = path !== undefined && routes.has(path) ? path : 'other';
    running.inc({ route });
    // Fastify's own hook for this leaves out callers that disconnected.
    reply.raw.once('close', () => {
      running.dec({ route });
      // Nobody read the answer of a caller that left.
      const code = reply.raw.writableFinished ? reply.raw.statusCode : 499;
      requests.inc({ route, code }, 1);
      seconds.observe({ route }, (performance.now() - startedMs) / 1_000);
    });
    done();
  });
}

/** Every route of the HTTP API; `/` prints it, and its paths are the values of the metrics' label. */
export const routeList = [
  {
    method: 'POST',
    path: '/retrieve',
    does: 'search, as Search-R1 and Menlo ask: {queries, topk | topk_retrieval, topk_rerank, return_scores}',
  },
  { method: 'POST', path: '/search', does: 'search for one query, as ReCall asks: {query, top_n, return_score}' },
  {
    method: 'POST',
    path: '/batch_search',
    does: 'search for many queries, as ReCall asks: {query: […], top_n, return_score}',
  },
  { method: 'POST', path: '/visit', does: 'one document, as Menlo asks: {url: id | "doc_ID" | link}' },
  { method: 'POST', path: '/mcp', does: 'Model Context Protocol, streamable HTTP, stateless' },
  { method: 'GET', path: '/health', does: '200 while requests are taken' },
  { method: 'GET', path: '/stats', does: 'what is served: sizes, models, index version' },
  { method: 'GET', path: '/', does: 'this list' },
] as const;

export type RoutePath = (typeof routeList)[number]['path'];
