import type { FastifyInstance } from 'fastify';
import { durationBuckets } from '#platform/telemetry/metrics.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import { routeList } from './route-list.ts';

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
