/**
 * `/metrics` for Prometheus and `/healthz` for probes. With certificates it is HTTPS, and /metrics is for who has one, or a token; /healthz
 * is for everyone, since the probes of a cluster have neither.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';

import { TerminalError } from '../errors.ts';
import { createHostCheck } from '../http/allowed-hosts.ts';
import type { HostSettings } from '../http/allowed-hosts.ts';
import { createHttpAdmission } from '../http/http-admission.ts';
import { createNodeServer } from '../http/node-server.ts';
import type { Security } from '../security/security.ts';
import type { Metrics } from '../telemetry/metrics.ts';

export interface MetricsServer extends AsyncDisposable {
  /** `host:port` as bound. */
  readonly address: string;
}

const readers = ['metrics', 'viewer', 'operator'];

/** `serving` decides between 200 and 503 of `/healthz`. */
export async function startMetricsServer(
  address: string,
  metrics: Metrics,
  serving: () => boolean,
  settings: HostSettings & { readonly security?: Security | undefined } = { allowedHosts: [] },
): Promise<MetricsServer> {
  const refusalOf = createHostCheck(address, settings);
  const admit = createHttpAdmission(settings.security, readers);
  async function answerMetrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const refused = await admit(request);
      if (refused !== undefined) {
        response.writeHead(refused.status, refused.headers).end(`${refused.message}\n`);
        return;
      }
      const text = await metrics.render();
      response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  }
  const server = createNodeServer(settings.security, (request, response) => {
    const refusal = refusalOf(request.headers);
    if (refusal !== undefined) {
      response.writeHead(403, { 'content-type': 'text/plain' }).end(`${refusal}\n`);
      return;
    }
    // Not `new URL`: it throws on targets such as `//`, and anyone who reaches the port could end the service.
    const path = request.url?.split('?', 1)[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
    } else if (path === '/metrics') {
      void answerMetrics(request, response);
    } else if (path === '/healthz') {
      const ok = serving();
      response.writeHead(ok ? 200 : 503, { 'content-type': 'text/plain' }).end(ok ? 'SERVING\n' : 'NOT_SERVING\n');
    } else {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('/metrics and /healthz are served here\n');
    }
  });
  server.requestTimeout = 10_000;
  server.maxConnections = 64;

  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reason =
        cause.code === 'EADDRINUSE'
          ? 'the port is in use by another process; choose another one, or port 0 for any free port'
          : cause.message;
      reject(new TerminalError('failed_precondition', `cannot serve metrics on ${address}: ${reason}`, { cause }));
    });
    server.listen(Number(address.slice(colon + 1)), host, resolve);
  });
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  return {
    address: `${isIPv6(host) ? `[${host}]` : host}:${port}`,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
