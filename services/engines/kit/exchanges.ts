/** Exchanges with a real server, kept in a file: an adapter is tested against what a named version answered. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';

const exchange = z.strictObject({
  method: z.enum(['GET', 'POST']),
  path: z.string().startsWith('/'),
  /** What has to be in the request's body; further fields, such as random ids, may be. */
  asked: z.record(z.string(), z.unknown()).optional(),
  status: z.int().default(200),
  answer: z.unknown(),
});

export const exchanges = z.strictObject({
  /** Program and version, and whether the answers were recorded or written from its sources. */
  of: z.string().min(1),
  exchanges: z.array(exchange),
});

export type Exchange = z.output<typeof exchange>;

interface ExchangeServer extends AsyncDisposable {
  readonly baseUrl: string;
  /** Requests so far. */
  readonly asked: readonly { readonly path: string; readonly body: unknown }[];
}

/** Answers what was recorded, each exchange again and again; 501 to what was not, so that a changed request fails its test. */
export async function replayExchanges(recorded: readonly Exchange[]): Promise<ExchangeServer> {
  return await serve(async ({ method, path, body }) => {
    const known = recorded.find(
      (each) => each.method === method && each.path === path && isWithin(each.asked ?? {}, body),
    );
    const missing = { error: `no exchange of ${method} ${path} with ${JSON.stringify(body)}` };
    return known === undefined
      ? { status: 501, answer: JSON.stringify(missing) }
      : {
          status: known.status,
          answer: typeof known.answer === 'string' ? known.answer : JSON.stringify(known.answer),
        };
  });
}

/** Passes requests on to a real server and keeps them with its answers. */
export async function recordExchanges(target: string, into: Exchange[]): Promise<ExchangeServer> {
  return await serve(async ({ method, path, body }) => {
    const response = await fetch(new URL(path, target), {
      method,
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const answer = await response.text();
    into.push({
      method: method === 'GET' ? 'GET' : 'POST',
      path,
      ...(body !== undefined && { asked: z.record(z.string(), z.unknown()).parse(body) }),
      status: response.status,
      answer: jsonOr(answer),
    });
    return { status: response.status, answer };
  });
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

async function serve(
  respond: (asked: Asked) => Promise<{ readonly status: number; readonly answer: string }>,
): Promise<ExchangeServer> {
  const asked: { path: string; body: unknown }[] = [];
  const handle = async (request: IncomingMessage) => {
    const body = jsonOr(await text(request));
    const path = request.url ?? '/';
    asked.push({ path, body });
    return await respond({ method: request.method ?? 'GET', path, body });
  };
  const server: Server = createServer((request, response) => {
    void handle(request).then(
      ({ status, answer }) => response.writeHead(status).end(answer),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    baseUrl: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function jsonOr(body: string): unknown {
  if (body === '') return undefined;
  try {
    return JSON.parse(body);
  } catch {
    // Metrics and the like are text.
    return body;
  }
}

function isWithin(wanted: Readonly<Record<string, unknown>>, body: unknown): boolean {
  const given: object = typeof body === 'object' && body !== null ? body : {};
  return Object.entries(wanted).every(([key, value]) =>
    isDeepStrictEqual(Object.entries(given).find(([name]) => name === key)?.[1], value),
  );
}
