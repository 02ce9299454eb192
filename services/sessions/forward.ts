import {
  request as requestHttp,
  type Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { pipeline } from 'node:stream/promises';
import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import type { RegisteredWorker } from './worker-registry.ts';

/** Of one connection (RFC 9110, 7.6.1), or between a page and this server; the rest is for the worker. */
const ownHeaders = new Set([
  'connection',
  'expect',
  'host',
  'keep-alive',
  'origin',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** As a worker reads. Refused here, since a worker that refuses in the middle of a body is one that breaks off. */
const longestBodyBytes = 16 * 2 ** 20;

export interface Forwarded {
  readonly worker: RegisteredWorker;
  readonly path: string;
  /** In the place of the request's own stream. */
  readonly body?: Buffer;
}

/**
 * The worker's answer, its body still to be read. A client that leaves takes its request at the worker with it. Throws `TransientError` unavailable
 * where the worker does not answer, and TerminalError for a body that is too long.
 */
export async function askWorker(
  request: IncomingMessage,
  response: ServerResponse,
  { worker, path, body }: Forwarded,
  agent: Agent,
): Promise<IncomingMessage> {
  if (Number(request.headers['content-length'] ?? 0) > longestBodyBytes) throw tooLong();
  const { address, life } = worker;
  const colon = address.lastIndexOf(':');
  const upstream = requestHttp({
    agent,
    host: address.slice(0, colon).replace(/^\[|\]$/g, ''),
    port: address.slice(colon + 1),
    method: request.method,
    path,
    headers: { ...kept(request.headers), host: address },
    signal: life,
  });
  response.once('close', () => {
    if (!response.writableFinished) upstream.destroy();
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    upstream.once('response', resolve);
    upstream.on('error', reject);
  });
  if (body === undefined) {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > longestBodyBytes) upstream.destroy(tooLong());
    });
    request.pipe(upstream);
  } else upstream.end(body);
  try {
    return await answered;
  } catch (cause) {
    if (cause instanceof TerminalError) throw cause;
    // Node's own error says only that something aborted.
    const why = errorFrom(life.aborted ? life.reason : cause).message;
    throw new TransientError('unavailable', `the worker of this session does not answer: ${why}`, {
      cause,
      retryAfterMs: 1_000,
    });
  }
}

/** `broken`: the worker did not send all of its answer. A client that left is no fault of it. */
export type PassedOn = 'forwarded' | 'broken';

/** Passes on what the worker answers, as it comes. An answer that breaks off is one that breaks off for the client. */
export async function passOn(answer: IncomingMessage, response: ServerResponse): Promise<PassedOn> {
  let clientLeft = false;
  // One that breaks off ends the other.
  for (const event of ['close', 'error']) response.once(event, () => (clientLeft ||= answer.errored === null));
  response.writeHead(answer.statusCode ?? 502, kept(answer.headers));
  // A stream's first bytes may be long in coming.
  response.flushHeaders();
  try {
    await pipeline(answer, response);
    return 'forwarded';
  } catch {
    response.destroy();
    return clientLeft ? 'forwarded' : 'broken';
  }
}

function tooLong(): TerminalError {
  return new TerminalError('invalid_argument', `body: at most ${longestBodyBytes} bytes are read`);
}

function kept(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ownHeaders.has(name)));
}
