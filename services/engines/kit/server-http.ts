import { Agent, type IncomingMessage, request as httpRequest } from 'node:http';
import { Agent as SecureAgent, request as httpsRequest } from 'node:https';
import type { z } from 'zod';
import { TransientError, cancelledFrom, throwIfCancelled } from '#platform/errors.ts';
import { errorOfStatus } from '#platform/http/post-json.ts';

export interface ServerHttp {
  /** The text of a 2xx answer. */
  get(path: string, signal: AbortSignal): Promise<string>;
  /** The text of a 2xx answer to a JSON body; an empty body without one. */
  post(path: string, body: unknown, signal: AbortSignal): Promise<string>;
  /** An answer as what it has to be; one that is not is infrastructure. */
  parse<T>(what: string, text: string, schema: z.ZodType<T>): T;
  close(): void;
}

/** Ten bytes of JSON for each of a million numbers, and more. */
const maxReplyBytes = 256 * 2 ** 20;

/**
 * HTTP to an inference server, without timeouts of its own: a turn takes as long as its deadline allows, and its headers come at its end. Failures:
 * `TransientError('unavailable')` without a connection and for 5xx, `TerminalError('failed_precondition')` for other 4xx, with `details.status`;
 * `CancelledError` when `signal` aborts. Each names `who`.
 */
export function createServerHttp(who: string, baseUrl: string): ServerHttp {
  const base = new URL(baseUrl);
  const isSecure = base.protocol === 'https:';
  const options = { keepAlive: true, maxSockets: Infinity, maxFreeSockets: 64 };
  const agent = isSecure ? new SecureAgent(options) : new Agent(options);
  const prefix = base.pathname.replace(/\/+$/, '');

  /** Servers close connections that rest, or that had an error; one that is found closed has not read the request. */
  async function send(
    method: 'GET' | 'POST',
    path: string,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const request = isSecure ? httpsRequest : httpRequest;
    for (;;) {
      const sent = request(new URL(`${prefix}${path}`, base), { method, agent, headers, signal });
      try {
        return await new Promise((resolve, reject) => {
          sent.once('response', resolve);
          sent.once('error', reject);
          sent.end(body);
        });
      } catch (thrown) {
        const { code } = thrown as NodeJS.ErrnoException;
        if (!sent.reusedSocket || !['ECONNRESET', 'EPIPE'].includes(code ?? '')) throw thrown;
      }
    }
  }

  async function call(
    method: 'GET' | 'POST',
    path: string,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    throwIfCancelled(signal);
    try {
      const response = await send(method, path, body, signal);
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of response) {
        const part: Buffer = chunk;
        bytes += part.length;
        // The server is there and well: the next turn may be shorter.
        if (bytes > maxReplyBytes)
          throw new TransientError(
            'aborted',
            `${who} answered ${method} ${path} with more than ${maxReplyBytes} bytes`,
          );
        chunks.push(part);
      }
      const text = Buffer.concat(chunks).toString('utf8');
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) return text;
      throw errorOfStatus({ status, body: text, who, note: ` to ${method} ${path}` });
    } catch (thrown) {
      if (signal.aborted) throw cancelledFrom(signal.reason);
      if (!(thrown instanceof Error) || 'details' in thrown) throw thrown;
      throw new TransientError('unavailable', `${who} cannot be reached at ${base.host}: ${thrown.message}`, {
        cause: thrown,
      });
    }
  }

  return {
    get: (path, signal) => call('GET', path, undefined, signal),
    post: (path, body, signal) => call('POST', path, body === undefined ? undefined : JSON.stringify(body), signal),
    parse(what, text, schema) {
      try {
        return schema.parse(JSON.parse(text));
      } catch (cause) {
        const why = cause instanceof Error ? cause.message.replaceAll(/\s+/g, ' ').slice(0, 300) : String(cause);
        throw new TransientError('aborted', `${who} answered ${what} with something else: ${why}`, { cause });
      }
    },
    close: () => agent.destroy(),
  };
}
