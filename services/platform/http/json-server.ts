/** What HTTP servers of JSON have alike. Paths, and how an error's body looks, are each server's own. */
import fastify from 'fastify';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import { TerminalError, TransientError, errorFrom } from '../errors.ts';
import type { ErrorCode, GradusError } from '../errors.ts';
import type { Security } from '../security/security.ts';
import { parseJsonBody } from './json-body.ts';
import { createNodeServer } from './node-server.ts';

export interface HttpServer {
  /** `host:port` as bound. */
  readonly address: string;
  /** Takes no more, and ends when what runs has ended, at the latest after `withinMs`. */
  drain(withinMs: number): Promise<void>;
}

export interface JsonServerOptions {
  readonly longestBodyBytes: number;
  /** Values that a body may hold, and how deep. */
  readonly jsonBounds: { readonly mostValues: number; readonly mostDepth: number };
  readonly routerOptions?: FastifyServerOptions['routerOptions'];
  /** With certificates in it: HTTPS. Who may ask is for `createHttpAdmission`. */
  readonly security?: Security | undefined;
}

export function createJsonServer({
  longestBodyBytes,
  jsonBounds,
  routerOptions = {},
  security,
}: JsonServerOptions): FastifyInstance {
  // For a request to arrive, not for its answer.
  const times = { requestTimeout: 30_000, keepAliveTimeout: 75_000 };
  const app = fastify({
    ...times,
    // Fastify sets times only on a server that it makes itself.
    serverFactory: (handler) => Object.assign(createNodeServer(security, handler), times),
    logger: false,
    bodyLimit: longestBodyBytes,
    // Requests under way are refused by the server's own hook, with the time to wait.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions,
  });
  // Faster than Fastify's own, which rewrites `__proto__` keys: only named fields are read.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => {
    try {
      done(null, parseJsonBody(bytes, jsonBounds));
    } catch (error) {
      done(errorFrom(error));
    }
  });
  return app;
}

/** Listens on `address`, `host:port`; gives the address as bound. */
export async function listenHttp(app: FastifyInstance, address: string, backlog?: number): Promise<string> {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon);
  const port = Number(address.slice(colon + 1));
  try {
    await app.listen({ host: host.replace(/^\[|\]$/g, ''), port, ...(backlog !== undefined && { backlog }) });
  } catch (cause) {
    const reason =
      cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE'
        ? 'the port is in use by another process; choose another one, or port 0 for any free port'
        : String(cause);
    throw new TerminalError('failed_precondition', `cannot serve HTTP on ${address}: ${reason}`, { cause });
  }
  const bound = app.server.address();
  return `${host}:${typeof bound === 'object' && bound !== null ? bound.port : 0}`;
}

/** Ends when what runs has ended; after `withinMs` it is cut off, which `onLate` hears first. */
export async function drainHttp(app: FastifyInstance, withinMs: number, onLate?: () => void): Promise<void> {
  const timer = setTimeout(() => {
    onLate?.();
    app.server.closeAllConnections();
  }, withinMs);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}

/** `../grpc/status.ts` is its sibling. Clients of inference servers retry 429, 500, 502, 503 and 504, and take every other 4xx as final. */
const statusOfCode: Readonly<Record<ErrorCode, number>> = {
  invalid_argument: 400,
  not_found: 404,
  already_exists: 409,
  failed_precondition: 400,
  unimplemented: 501,
  data_loss: 500,
  permission_denied: 403,
  internal: 500,
  unavailable: 503,
  resource_exhausted: 429,
  aborted: 503,
  // nginx's; nobody is left to read it, so it only shows in the metrics.
  cancelled: 499,
  deadline_exceeded: 504,
};

export interface HttpRefusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly error: GradusError;
}

/** What a server answers for a thrown value. What Fastify refuses before a route is asked has a status of its own, and our words where its name no remedy. */
export function httpRefusal(
  thrown: unknown,
  {
    longestBodyBytes,
    overloadStatus = 429,
  }: { readonly longestBodyBytes: number; readonly overloadStatus?: 429 | 503 },
): HttpRefusal {
  const refused = refusedByServer(thrown, longestBodyBytes);
  const error = refused === undefined ? errorFrom(thrown) : new TerminalError('invalid_argument', refused.reason);
  const seconds = error instanceof TransientError ? Math.max(1, Math.ceil(error.retryAfterMs / 1_000)) : undefined;
  return {
    status: refused?.status ?? (error.code === 'resource_exhausted' ? overloadStatus : statusOfCode[error.code]),
    headers: seconds === undefined ? {} : { 'retry-after': String(seconds) },
    error,
  };
}

function refusedByServer(
  thrown: unknown,
  longestBodyBytes: number,
): { readonly status: number; readonly reason: string } | undefined {
  if (!(thrown instanceof Error && 'statusCode' in thrown && 'code' in thrown)) return undefined;
  const { statusCode: status, code, message } = thrown;
  if (typeof status !== 'number' || status < 400 || status > 499) return undefined;
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return { status, reason: 'content-type: give application/json' };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return { status, reason: `body: at most ${longestBodyBytes} bytes are read` };
  return { status, reason: message };
}
