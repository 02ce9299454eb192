import { createServer as createPlainServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { Security } from '../security/security.ts';

/**
 * Of every answer: a browser shows none of it as a page, runs nothing in it, puts it in no frame, and keeps none of it. Nothing that these servers
 * answer is meant for a browser.
 */
export const answerHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

/**
 * A server of node:http, or with certificates of node:https. A certificate of the client is asked for and not demanded: people's tools have
 * tokens, and probes have nothing (`createHttpAdmission`). New certificates are used without a restart.
 */
export function createNodeServer(
  security: Security | undefined,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const handler: typeof handle = (request, response) => {
    for (const [name, value] of Object.entries(answerHeaders)) response.setHeader(name, value);
    handle(request, response);
  };
  const tls = security?.tls;
  if (tls === undefined) return createPlainServer(handler);
  const server = createSecureServer(
    { ...tls.pems, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.2', handshakeTimeout: 10_000 },
    handler,
  );
  const unfollow = tls.follow((pems) => server.setSecureContext(pems));
  server.once('close', unfollow);
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code !== 'ECONNRESET')
      security?.refusals?.count('http', 'certificate', { peer: socket.remoteAddress, why: error.message });
  });
  return server;
}
